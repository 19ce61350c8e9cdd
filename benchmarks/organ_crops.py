"""Does a model learn more from sheets when crops of their organs are trained with them? See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from clipbio.cli import run as run_verb

from sides import line

REFERENCE = "sheets"
FIGURES = ("zero_shot/{}/description/top1", "retrieval/{}/text_to_image/mAP")
_ANSWER = "answer.json"


@dataclass(frozen=True)
class Study:
    """Flora, run and what is measured; both arms take as many steps and see as many pictures."""

    species: int = 160
    unseen: int = 60
    specimens: int = 8
    image_size: int = 192
    batch_size: int = 128
    steps: int = 200
    splits: tuple[str, ...] = ("val", "test", "unseen")
    """Those to judge on; settings are chosen on val alone."""
    crops: tuple[str, ...] = ()
    """Further settings of the arms with crops."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that are compared."""
        return tuple(one.format(split) for split in self.splits for one in FIGURES)


def main() -> None:
    """Run what has not been run, then print a line per arm and figure."""
    options = _options()
    os.environ["OMP_NUM_THREADS"] = "1"
    given: dict[str, Any] = {name: getattr(options, name) for name in asdict(Study())}
    study = Study(**given | {name: tuple(given[name]) for name in ("splits", "crops")})
    out, segmenter = options.out.resolve(), options.segmenter and options.segmenter.resolve()
    arms = [REFERENCE, "crops_true", *(["crops_found"] if segmenter else [])]
    todo = [(out, seed, arms, study, segmenter) for seed in options.seeds]
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_seed, *zip(*todo, strict=True)))
    for arm in arms:
        for figure in study.figures:
            _print(arm, figure, [one[arm] for one in found], [one[REFERENCE] for one in found])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/organ_crops"), help="finished runs here are not repeated"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="seeds at once, each on one core")
    parser.add_argument("--segmenter", type=Path, help="a run of 'clipbio organs': a third arm takes what it finds")
    parser.add_argument("--splits", nargs="+", default=Study.splits, help="judged on; choose settings on val alone")
    parser.add_argument(
        "--crops", nargs="*", default=Study.crops, metavar="KEY=VALUE", help="further settings of the arms with crops"
    )
    for name, value in asdict(Study()).items():
        if isinstance(value, int):
            parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    return parser.parse_args()


def _seed(out: Path, seed: int, arms: list[str], study: Study, segmenter: Path | None) -> dict[str, dict[str, Any]]:
    """Return the answers of all arms of a seed: a flora, its sheets, the weights and the order of the samples."""
    torch.set_num_threads(1)
    return {arm: _arm(out / f"seed-{seed}", seed, arm, study, segmenter) for arm in arms}


def _arm(folder: Path, seed: int, arm: str, study: Study, segmenter: Path | None) -> dict[str, Any]:
    """Return the metrics of a run, of an earlier one where its settings are the same."""
    path, settings = folder / arm / _ANSWER, dict[str, Any](json.loads(json.dumps(asdict(study))), seed=seed)
    if arm == REFERENCE:
        del settings["crops"]
    if arm == "crops_found":
        settings["segmenter"] = str(segmenter)
    if path.exists():
        answer: dict[str, Any] = json.loads(path.read_text())
        if answer["settings"] != settings:
            sys.exit(f"{path} comes from other settings: give another --out")
        return answer
    path.parent.mkdir(parents=True, exist_ok=True)
    data, started = _data(study, seed, folder), time.perf_counter()
    if arm != REFERENCE:
        _crop(folder, arm, data, segmenter)
    overrides = [*data, *_training(study, seed), f"run_dir={folder / arm / 'run'}"]
    if arm != REFERENCE:
        crops = f"data.streams.crops.root={folder / f'{arm}-table'}/crops"
        # What is given last counts.
        overrides = ["experiment=organ_crops", crops, *overrides, *study.crops]
    _verb(folder / arm / "log.txt", "train", overrides)
    metrics = json.loads((folder / arm / "run" / "metrics.json").read_text())
    answer = {"settings": settings, "metrics": metrics, "seconds": round(time.perf_counter() - started, 1)}
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(answer))
    partial.replace(path)
    return answer


def _data(study: Study, seed: int, folder: Path) -> list[str]:
    return [
        "data=virtual",
        f"data.source.num_species={study.species}",
        f"data.source.num_unseen={study.unseen}",
        f"data.source.specimens_per_species={study.specimens}",
        f"data.source.image_size={study.image_size}",
        f"data.source.seed={seed}",
        "data.source.masks=true",
        "data.num_workers=0",
        "progress=false",
        f"cache_dir={folder.parent / 'cache'}",
    ]


def _training(study: Study, seed: int) -> list[str]:
    """Return what both arms share; the last state of a run is judged."""
    return [
        f"seed={seed}",
        "text=description",
        f"data.batch_size={study.batch_size}",
        f"duration={study.steps} steps",
        "optim.lr=1e-3",
        "optim.warmup=10 percent",
        "optim.weight_decay=0.1",
        "augmentation.scale=[0.8,1.0]",
        "augmentation.ratio=[1.0,1.0]",
        "augmentation.flip=0.5",
        "validation.splits=[]",
        "validation.benchmarks=[]",
        f"evaluate_splits=[{','.join(study.splits)}]",
        "checkpoint.every=100 percent",
        "monitors=null",
        "logger=none",
        "leakage=refuse",
        "resume=auto",
    ]


def _crop(folder: Path, arm: str, data: list[str], segmenter: Path | None) -> None:
    """Write the crops of the train sheets, once: of their true masks, or of what a segmenter finds."""
    out = folder / f"{arm}-table"
    if not (out / "annotations.json").exists():
        action = ["action=export"] if arm == "crops_true" else ["action=predict", f"checkpoint={segmenter}"]
        _verb(folder / arm / "log.txt", "organs", [*action, *data, "splits=[train]", "crops=true", f"out={out}"])


def _verb(log: Path, verb: str, overrides: list[str]) -> None:
    with log.open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        if run_verb(verb, overrides):
            raise RuntimeError(f"{verb} failed, see {log}")


def _print(arm: str, figure: str, answers: list[dict[str, Any]], reference: list[dict[str, Any]]) -> None:
    ours, peer = ([one["metrics"][figure] for one in runs] for runs in (answers, reference))
    differences = [one - other for one, other in zip(ours, peer, strict=True)]
    spread = statistics.stdev(differences) if len(differences) > 1 else 0.0
    print(
        line(
            f"organ_crops/{arm}/{figure}",
            ours=statistics.mean(ours),
            peer=statistics.mean(peer),
            peer_name="sheets alone",
            unit="share",
            less_is_better=False,
            seeds=ours,
            difference=statistics.mean(differences),
            difference_seeds=differences,
            difference_sd=spread,
            chance=statistics.mean(one["metrics"].get(f"{figure}/chance", 0.0) for one in answers),
            seconds=max(one["seconds"] for one in answers),
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
