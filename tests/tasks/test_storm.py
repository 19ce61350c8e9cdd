"""A run that is preempted again and again ends as one that nobody disturbed: same steps, same data, same numbers."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from forks import Run
from gardens import write_garden
from runs import SMALL, lines
from storms import Kill, plan, record, storm, summary
from wandb_files import offline_run

STEPS = 30


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run with all that has a state: averages, early stopping, monitors, a best checkpoint, a wandb run."""
    base = tmp_path_factory.mktemp("storm")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "val", "test"))
    return [*(item for item in SMALL if item != "logger=none"), f"data.root={garden}", f"cache_dir={base / 'cache'}",
            f"duration={STEPS} steps", "checkpoint.every=3 steps", "validation.every=6 steps", "logger=offline",
            "callbacks=[sample_log,ema,early_stopping]", "callbacks.early_stopping.patience=100",
            "callbacks.ema.decay=0.9", "augmentation.scale=[0.5,1]", "augmentation.flip=0.5", "text=mixed",
            "model.image.dropout=0.1"]  # fmt: skip


@pytest.fixture(scope="module")
def reference(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("calm") / "run"
    Run(folder, overrides, processes=2).finish()
    assert len(lines(folder / "samples" / "rank-0.jsonl")) == STEPS
    return folder


def weather(folder: Path, overrides: list[str], reference: Path, kills: Sequence[Kill]) -> None:
    """Let a storm pass over a run, and compare it with the calm one."""
    began = time.monotonic()
    storm(folder, overrides, kills)
    calm, stormy = record(reference), record(folder)
    for what, value in calm.items():
        assert stormy[what] == value, what
    assert offline_run(folder).steps == sorted({line["step"] for line in lines(folder / "metrics.jsonl")})
    sys.stdout.write(json.dumps(summary(folder, kills, time.monotonic() - began)) + "\n")


def test_two_kills(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    weather(tmp_path / "run", overrides, reference, plan(["training", "saving"], seed=1))


@pytest.mark.slow
def test_ten_kills(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    phases = ["starting"] * 2 + ["training"] * 3 + ["saving"] * 2 + ["validating"] * 2 + ["evaluating"]
    weather(tmp_path / "run", overrides, reference, plan(phases, seed=0))
