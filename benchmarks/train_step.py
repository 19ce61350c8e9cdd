"""Samples per second of our trainer against open_clip's: `python benchmarks/train_step.py [CASE ...]`.

Both trainers run as their users start them, on the same model, pictures, texts, batch size, workers, precision, AdamW
and clipping, without evaluation; open_clip's in an environment of its own under `benchmarks/peers`, made at the first
run. The sides take turns. Both log the seconds from the end of one step to the end of the next, data loading included;
of each run the steady state counts: the first steps are dropped, and the last ones, for which the workers no longer
decode. A run gives samples divided by the time of those steps, a side the median of its runs.

Cases: `train_step/cpu` (fp32, lineage and common name as text), `train_step/cpu_long_text` (texts that
fill open_clip's 77 tokens), and where there is a GPU `train_step/cuda` and `train_step/cuda_compile` (bf16). Nothing
else is compiled.

`mfu` is the share of the machine's own matrix product rate, measured in the same run, that the FLOPs of both towers,
forward and backward, make up: ours counted up to the last end of text of a batch, the peer's for all 77 columns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from flops import matmul_rate, step_flops
from sides import alone, chosen, line
from training_data import TrainingData, write_data
from training_sides import Settings, make_peer_environment, our_steps, peer_steps, step_seconds

# With it every text has more than 77 tokens: there is no padding to leave out.
FILLING = " ".join(["a pressed and dried plant mounted on a sheet of paper with its label"] * 5) + " of {}."


@dataclass(frozen=True)
class Case:
    """What differs from case to case."""

    text: tuple[str, ...] = ("text=taxonomic_common",)
    device: str = "cpu"
    compiled: bool = False
    batch_size: int = 64


CASES = {
    "train_step/cpu": Case(),
    "train_step/cpu_long_text": Case(text=("text=taxonomic_common", f"text.template='{FILLING}'")),
    "train_step/cuda": Case(device="cuda", batch_size=1024),
    "train_step/cuda_compile": Case(device="cuda", batch_size=1024, compiled=True),
}


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def measure(name: str, case: Case, options: argparse.Namespace, folder: Path) -> str:
    """Run both sides in turn and return the line of a case."""
    settings = Settings(
        options.model,
        case.text,
        options.batch_size or case.batch_size,
        options.workers,
        options.warmup + options.steps + 2 * options.workers,
        case.device,
        case.compiled,
    )
    data = write_data(
        folder, samples=options.samples, image_size=options.image_size, text=case.text, tars=max(4, options.workers)
    )
    runs: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(options.runs):
        for side, run in (("ours", our_steps), ("peer", peer_steps)):
            place = folder / f"{side}-{number}"
            place.mkdir()
            seconds = step_seconds(run(settings, data, place), warmup=options.warmup, workers=options.workers)
            runs[side].append(settings.batch_size * len(seconds) / sum(seconds))
    return _line(name, settings, data, runs)


def _line(name: str, settings: Settings, data: TrainingData, runs: dict[str, list[float]]) -> str:
    rates = {side: statistics.median(values) for side, values in runs.items()}
    peak = alone(matmul_rate, settings.device)
    flops = {side: alone(step_flops, settings.model, data.texts, settings.batch_size, side == "ours") for side in runs}
    mfu = {side: rates[side] / settings.batch_size * flops[side] / peak for side in runs}
    return line(
        name,
        ours=rates["ours"],
        peer=rates["peer"],
        peer_name=f"open_clip {metadata.version('open_clip_torch')} trainer",
        unit="samples/s",
        less_is_better=False,
        mfu=mfu["ours"],
        peer_mfu=mfu["peer"],
        gflops_per_step=[flops["ours"] / 1e9, flops["peer"] / 1e9],
        matmul_gflops_per_second=peak / 1e9,
        runs=[runs["ours"], runs["peer"]],
        model=settings.model,
        batch_size=settings.batch_size,
        workers=settings.workers,
        precision=settings.precision,
        compiled=settings.compiled,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all that fit without any")
    parser.add_argument("--model", default="ViT-S-32", help="an architecture of open_clip")
    parser.add_argument("--batch-size", type=int, default=None, help="64 on a CPU, 1024 on a GPU")
    parser.add_argument("--workers", type=int, default=2, help="decoding processes of each side")
    parser.add_argument("--steps", type=int, default=12, help="timed steps of each run")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them")
    parser.add_argument("--runs", type=int, default=2, help="runs of each side")
    parser.add_argument("--samples", type=int, default=512, help="pictures of the data set")
    parser.add_argument("--image-size", type=int, default=256, help="side of the pictures")
    options = parser.parse_args()
    usual = [name for name, case in CASES.items() if case.device == "cpu" or alone(has_gpu)]
    make_peer_environment()
    for name in chosen(usual, options.cases):
        if name not in CASES:
            parser.error(f"unknown case '{name}'; there are {', '.join(CASES)}")
        with tempfile.TemporaryDirectory() as folder:
            print(measure(name, CASES[name], options, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
