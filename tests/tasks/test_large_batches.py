"""Batches larger than memory, and batches that are only summed up, through the training command."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from gardens import write_garden
from runs import SMALL, here, lines, losses, samples

Made = tuple[Path, list[str]]
ACCUMULATED = ("+trainer.accumulate_grad_batches=2", "force_accumulation=true", "duration=6 steps")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("large")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train",))
    return base, [*SMALL, f"data.root={garden}", f"cache_dir={base / 'cache'}", "duration=4 steps"]


def test_micro_batches_train_as_the_whole_batch_does(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    base, overrides = made
    for name, more in (("whole", []), ("pieces", ["micro_batch_size=3"])):
        status, _, err = here(capsys, "train", *overrides, f"run_dir={base / name}", *more)
        assert status == 0, err
    assert losses(base / "pieces") == pytest.approx(losses(base / "whole"), rel=1e-4)
    assert samples(base / "pieces") == samples(base / "whole")
    whole, pieces = (
        torch.load(base / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "pieces")
    )
    moved = {name: (pieces[name] - value).abs().max() for name, value in whole.items() if value.is_floating_point()}
    # Adam's first steps divide by the gradient's own size: where that is rounding alone, so is the step.
    assert sum(float(value) < 1e-4 for value in moved.values()) > 0.95 * len(moved)


def test_accumulated_batches_are_counted_and_continued_exactly(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    base, overrides = made
    whole, parts = base / "accumulated", base / "interrupted"
    status, _, err = here(capsys, "train", *overrides, *ACCUMULATED, f"run_dir={whole}")
    assert status == 0, err
    assert [step for step, _ in samples(whole)] == [step // 2 for step in range(12)]
    assert {line["step"] for line in lines(whole / "metrics.jsonl") if "train/loss" in line} == set(range(6))
    stop = threading.Thread(target=_interrupt_after, args=(parts / "samples" / "rank-0.jsonl", 3))
    stop.start()
    status, _, err = here(capsys, "train", *overrides, *ACCUMULATED, f"run_dir={parts}")
    stop.join()
    assert status == 75, err
    stopped_at = torch.load(parts / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    # The signal came within the second step, or later: the step was finished, batches and all.
    assert len(samples(parts)) == 2 * stopped_at >= 4
    status, _, err = here(capsys, "train", *overrides, *ACCUMULATED, f"run_dir={parts}", "resume=auto")
    assert status == 0, err
    assert samples(parts) == samples(whole)
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-5)


def _interrupt_after(log: Path, batches: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().splitlines()) < batches):
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGTERM)
