"""One run of the study of DNA as a training partner, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections import defaultdict
from pathlib import Path

import torch

from clipbio.cli import run as run_verb
from clipbio.evaluation.key_query import KeyQueryDetail

from key_query_runs import key_query_details

__all__ = ["ANSWERS", "run_one"]

ANSWERS = "answers.json"
_GROUPS = {"test": "seen", "unseen": "unseen"}


def run_one(folder: Path, overrides: list[str]) -> None:
    """Train, answer the queries of `test` and `unseen`, and write the share of right answers per species.

    Args:
        folder: The folder of the run; a run that was cut short is continued.
        overrides: What the run is; stands in the answers, so that another run is not taken for it.
    """
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with (folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        if run_verb("train", [*overrides, "resume=auto", f"run_dir={folder / 'run'}"]):
            raise RuntimeError(f"the run failed, see {folder / 'log.txt'}")
        rates = _answers(folder / "run")
    values = {"overrides": overrides, "seconds": round(time.perf_counter() - started, 1), "rates": rates}
    partial = folder / f"{ANSWERS}.part"
    partial.write_text(json.dumps(values, indent=1))
    partial.replace(folder / ANSWERS)
    # Weights are large and of no further use.
    shutil.rmtree(folder / "run" / "checkpoints")


def _answers(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return the share of right answers by variant, group of species and species."""
    rates: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for detail in key_query_details(run, list(_GROUPS)):
        rates[detail.variant][_GROUPS[detail.split]] = _by_species(detail)
    return rates


def _by_species(detail: KeyQueryDetail) -> dict[str, float]:
    """Return the share of right answers of each species, by the key of its lineage."""
    right: dict[str, list[bool]] = defaultdict(list)
    for label, correct in zip(detail.label_Q.tolist(), detail.correct_QR[:, -1].tolist(), strict=True):
        right[str(label)].append(correct)
    return {name: sum(each) / len(each) for name, each in sorted(right.items())}
