"""Samples per second of our data stream against open_clip's WebDataset loader: `python benchmarks/data.py [CASE ...]`.

Both loaders read the same tars, with two workers, RandomResizedCrop of 0.9 to 1.0 of the area to 224 px, bicubic, and
open_clip's tokenizer; ours renders the text of each sample too. The sides take turns, each run in a process of its own.
The clock runs from the moment at which the training step holds one normalised float batch to the moment at which it
holds the last one: open_clip normalises in the workers, ours sends uint8 pixels and normalises in the training process.

Cases: `data/photo_256px` (birds), `data/photo_500px` (leeds-butterflies), both out of CLIPBIO_SHARED or `--shared`,
`data/sheet_4000px` (generated herbarium sheets), `data/prepare` (writing shards against Python's tarfile) and
`data/memory` (what our stream holds after 200,000 samples against what it held after the first tenth).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from data_runs import Figures, Run, run
from data_sets import SmallSource, draw_sheets, write_shards
from data_writing import write

from clipbio.data.prepare import prepare

from sides import chosen, line

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Case:
    """What is read, and how much of it in a run."""

    table: str
    batch_size: int = 64
    steps: int = 24


LOADERS = {
    "data/photo_256px": Case("birds"),
    "data/photo_500px": Case("leeds-butterflies", steps=16),
    "data/sheet_4000px": Case("", batch_size=8, steps=8),
}
CASES = [*LOADERS, "data/prepare", "data/memory"]


def photo_table(name: str, options: argparse.Namespace) -> Path:
    """Return the specimen table of the real photos."""
    table = Path(options.shared) / "data" / name
    if not table.is_dir():
        sys.exit(f"real data is absent: {table}; give --shared=FOLDER or set CLIPBIO_SHARED")
    return table


def measure_loader(name: str, case: Case, options: argparse.Namespace, folder: Path) -> str:
    """Run both loaders in turn and return the line of a case."""
    side = options.sheet_width
    table = photo_table(case.table, options) if case.table else draw_sheets(options.sheets, (side, round(side * 1.4)))
    data = write_shards(table, folder / "shards", tars=2 * options.workers, limit=options.limit)
    batch_size, steps = options.batch_size or case.batch_size, options.steps or case.steps
    settings = Run(
        str(data.root), list(map(str, data.tars)), str(data.captions), batch_size, options.workers,
        options.warmup, steps, options.image_size,
    )  # fmt: skip
    runs: dict[str, list[Figures]] = {"ours": [], "peer": []}
    for _ in range(options.runs):
        for side_name, figures in runs.items():
            figures.append(run(side_name, settings))
    late = replace(settings, start=round(0.9 * (data.samples // batch_size)), warmup=1, steps=1)
    resume = min(run("ours", late).first for _ in range(options.runs))
    return _loader_line(name, settings, runs, resume, data.samples, data.image_bytes)


def _loader_line(
    name: str, settings: Run, runs: dict[str, list[Figures]], resume: float, samples: int, image_bytes: float
) -> str:
    counted = settings.batch_size * settings.steps
    rates = {side: [counted / one.seconds for one in figures] for side, figures in runs.items()}
    ours, peer = (statistics.median(rates[side]) for side in ("ours", "peer"))
    cpu = [1e3 * min(one.cpu_seconds for one in runs[side]) / counted for side in ("ours", "peer")]
    return line(
        name,
        ours=ours,
        peer=peer,
        peer_name=f"open_clip {metadata.version('open_clip_torch')} loader",
        unit="samples/s",
        less_is_better=False,
        cpu_ms_per_sample=cpu,
        cpu_ratio=cpu[1] / max(cpu[0], 1e-9),
        first_batch_seconds=[min(one.first for one in runs[side]) for side in ("ours", "peer")],
        memory_mib=[max(one.memory[-1] for one in runs[side]) for side in ("ours", "peer")],
        resume_seconds=[resume, 0.9 * samples / peer],
        runs=[rates["ours"], rates["peer"]],
        image_kb=image_bytes / 1e3,
        batch_size=settings.batch_size,
        workers=settings.workers,
    )


def measure_prepare(options: argparse.Namespace, folder: Path) -> str:
    """Write the birds as shards and as a plain tar in turn."""
    table = photo_table("birds", options)
    samples = len((table / "specimens.csv").read_text(encoding="utf-8").splitlines()) - 1
    samples = min(samples, options.limit or samples)
    runs: dict[str, list[tuple[float, float]]] = {"ours": [], "peer": []}
    # The first round fills the page cache.
    for number in range(options.runs + 1):
        for side, times in runs.items():
            times.append(write(side, table, folder / f"{side}-{number}", options.limit))
    rates = {side: [samples / seconds for seconds, _ in times[1:]] for side, times in runs.items()}
    return line(
        "data/prepare",
        ours=statistics.median(rates["ours"]),
        peer=statistics.median(rates["peer"]),
        peer_name=f"tarfile of Python {sys.version.split()[0]}",
        unit="samples/s",
        less_is_better=False,
        cpu_ms_per_sample=[1e3 * min(cpu for _, cpu in runs[side][1:]) / samples for side in runs],
        runs=[rates["ours"], rates["peer"]],
    )


def measure_memory(options: argparse.Namespace, folder: Path) -> str:
    """Stream many distinct samples and look at the memory ten times."""
    samples, batch_size = options.memory_samples, 256
    prepare(SmallSource(samples), folder / "shards", progress=False)
    batches = samples // batch_size
    tenth = max(1, batches // 10)
    marks = [tenth * number for number in range(1, 11)]
    settings = Run(
        str(folder / "shards"), [], "", batch_size, options.workers, 1, marks[-1], image_size=32, marks=marks[:-1]
    )
    memory = run("ours", settings).memory
    return line(
        "data/memory",
        ours=memory[-1],
        peer=memory[0],
        peer_name="the same run after a tenth of its samples",
        unit="MiB",
        less_is_better=True,
        samples=marks[-1] * batch_size,
        memory_mib=memory,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all without any")
    parser.add_argument("--shared", default=os.environ.get("CLIPBIO_SHARED", str(ROOT.parent / "shared")))
    parser.add_argument("--batch-size", type=int, default=None, help="64 for photos, 8 for sheets")
    parser.add_argument("--workers", type=int, default=2, help="decoding processes of each side")
    parser.add_argument("--warmup", type=int, default=6, help="batches before the clock starts")
    parser.add_argument("--steps", type=int, default=None, help="timed batches of each run")
    parser.add_argument("--runs", type=int, default=3, help="runs of each side")
    parser.add_argument("--limit", type=int, default=None, help="specimens that are read, all by default")
    parser.add_argument("--image-size", type=int, default=224, help="side of the pictures in a batch")
    parser.add_argument("--sheets", type=int, default=32, help="sheets that are drawn, once")
    parser.add_argument("--sheet-width", type=int, default=4000, help="their width in pixels")
    parser.add_argument("--memory-samples", type=int, default=200_000, help="samples of data/memory")
    options = parser.parse_args()
    for name in chosen(CASES, options.cases):
        if name not in CASES:
            parser.error(f"unknown case '{name}'; there are {', '.join(CASES)}")
        with tempfile.TemporaryDirectory() as folder:
            if name in LOADERS:
                print(measure_loader(name, LOADERS[name], options, Path(folder)), flush=True)
            elif name == "data/prepare":
                print(measure_prepare(options, Path(folder)), flush=True)
            else:
                print(measure_memory(options, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
