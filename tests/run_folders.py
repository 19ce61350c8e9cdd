"""Folders as evaluations leave them, without a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.evaluation.answer_files import write_answers
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.figures import Figure, flatten, write_metrics
from clipbio.evaluation.metrics import bootstrap_interval
from clipbio.evaluation.species_intervals import with_species_intervals

KEY = "zero_shot/test/common/top1"


def answers(values: Sequence[float], key: str = KEY, species: int = 6) -> Answers:
    task, split, variant, metric = key.split("/", 3)
    ids = tuple(f"id-{row:03d}" for row in range(len(values)))
    names = tuple(f"Genus species{row % species}" for row in range(len(values)))
    return Answers(task, split, variant, metric, ids, np.array(values, np.float64), names)


def write_run(
    folder: Path,
    values: Mapping[str, Sequence[float]],
    *,
    model: Mapping[str, Any] | None = None,
    ids_hash: str = "same",
    with_answers: bool = True,
) -> Path:
    """Write metrics.json, and what an evaluation says beside it, from the answers to each figure."""
    found = [answers(one, key) for key, one in values.items()]
    figures = [
        Figure.measured(
            (one.task, one.split, one.variant), one.metric, value=float(one.value_N.mean()),
            interval=bootstrap_interval(one.value_N, seed=0, resamples=200), n=len(one.ids), chance=0.1,
        )
        for one in found
    ]  # fmt: skip
    folder.mkdir(parents=True)
    if not with_answers:
        write_metrics(folder / "metrics.json", flatten(figures) | {"train/loss": 0.5})
        return folder
    write_metrics(folder / "metrics.json", with_species_intervals(flatten(figures), found, resamples=200))
    write_answers(folder / "answers.parquet", found)
    facts = {"ids_hash": ids_hash, "classes_hash": "classes"}
    identity = {
        "model": dict(model or {"name": "tiny", "pretrained": None, "checkpoint": "run/best.ckpt", "weights": "abc"}),
        "splits": dict.fromkeys({one.split for one in found}, facts),
        "data": {"root": "birds", "manifest": "def"},
        "versions": {"clipbio": "0"},
        "device": "cpu",
    }
    (folder / "evaluation.json").write_text(json.dumps(identity))
    return folder
