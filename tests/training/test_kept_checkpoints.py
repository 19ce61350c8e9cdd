"""Which checkpoints are kept: the last one, the one before, some for good, and those with the best scores."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from made_checkpoints import save, state
from pytorch_lightning.strategies import SingleDeviceStrategy

from clipbio.checkpoint_files import BEST, CHECKPOINT_FORMAT, LAST, read_checkpoint
from clipbio.training.atomic_checkpoints import AtomicCheckpoints
from clipbio.training.best_checkpoints import BestCheckpoints
from clipbio.training.last_checkpoint import LastCheckpoint, wall_seconds


class _Trainer:
    """As much of a Trainer as decides about checkpoints."""

    world_size, is_global_zero, enable_validation, val_check_batch, accumulate_grad_batches = 1, True, False, 1, 1

    def __init__(self, folder: Path) -> None:
        self.global_step = 0
        self.strategy = self
        self.checkpoint_io = AtomicCheckpoints()

    def save_checkpoint(self, path: Path) -> None:
        self.checkpoint_io.save_checkpoint(state(self.global_step), path)


def test_checkpoints_by_the_clock_and_some_that_stay(tmp_path: Path) -> None:
    now = [100.0]
    saved = []
    last = LastCheckpoint(tmp_path / LAST, seconds=30.0, keep_every=4, clock=lambda: now[0])
    trainer: Any = _Trainer(tmp_path)
    for step in range(1, 10):
        trainer.global_step, now[0] = step, now[0] + 12
        last.on_train_batch_end(trainer, trainer, None, None, step - 1)
        saved.append(read_checkpoint(tmp_path / LAST)["global_step"] if (tmp_path / LAST).exists() else 0)
    # After 36 s; at step 4 for good; 36 s after that; at step 8 for good.
    assert saved == [0, 0, 3, 4, 4, 4, 7, 8, 8]
    kept = sorted((tmp_path / LAST).parent.glob("step-*.ckpt"))
    assert [path.name for path in kept] == ["step-0000004.ckpt", "step-0000008.ckpt"]
    assert [read_checkpoint(path)["global_step"] for path in kept] == [4, 8]


class _Scored(pl.LightningModule):
    """Gets the scores of its validations told."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.weight, self.scores = torch.nn.Parameter(torch.zeros(1)), scores

    def training_step(self, *_: Any) -> torch.Tensor:
        return self.weight.sum()

    def validation_step(self, *_: Any) -> None:
        self.log("score", self.scores[self.global_step - 1], batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["clipbio"] = {"format": CHECKPOINT_FORMAT, "config": {}}


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("keep", [1, 2])
def test_of_the_scored_ones_the_best_stay(mode: str, keep: int, tmp_path: Path) -> None:
    # Step 3 drops the first, step 4 comes nowhere, step 5 drops the second; the third is the best of all.
    scores = [0.2, 0.5, 0.9, 0.1, 0.6]
    writer = AtomicCheckpoints(asynchronous=True)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=5, val_check_interval=1, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, plugins=[writer],
        callbacks=[BestCheckpoints(tmp_path / BEST, monitor="score", mode=mode, keep=keep),
                   LastCheckpoint(tmp_path / LAST, every=1)],
    )  # fmt: skip
    trainer.fit(_Scored([one if mode == "max" else -one for one in scores]), range(5), range(1))
    writer.finish()
    steps = {path.name: read_checkpoint(path)["global_step"] for path in (tmp_path / BEST).parent.iterdir()}
    several = {"best-step-0000003.ckpt": 3, "best-step-0000005.ckpt": 5} if keep == 2 else {}
    assert steps == {"best.ckpt": 3, "last.ckpt": 5, "previous.ckpt": 4} | several


@pytest.mark.parametrize(
    ("before", "after", "first", "second", "left"),
    [
        (1, 1, [0.7], [0.5], {"best": 1}),
        (3, 1, [0.5, 0.7, 0.6], [0.55], {"best": 2}),
        (1, 2, [0.5], [0.6, 0.55], {"best": 2, "best-step-0000002": 2, "best-step-0000003": 3}),
        (3, 2, [0.5, 0.7, 0.6], [0.4], {"best": 2, "best-step-0000002": 2, "best-step-0000003": 3}),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_the_best_stays_in_another_folder_and_with_another_keep(
    before: int, after: int, first: list[float], second: list[float], left: dict[str, int], late: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Sharded strategies restore after they are set up.
    monkeypatch.setattr(SingleDeviceStrategy, "restore_checkpoint_after_setup", late)
    for folder, keep, scores in (("old", before, first), ("new", after, first + second)):
        if folder == "new":
            (tmp_path / "old").rename(tmp_path / "new")
        run = tmp_path / folder
        trainer = pl.Trainer(
            accelerator="cpu", max_steps=len(scores), val_check_interval=1, check_val_every_n_epoch=None,
            num_sanity_val_steps=0, logger=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=run, plugins=[AtomicCheckpoints()],
            callbacks=[BestCheckpoints(run / BEST, monitor="score", mode="max", keep=keep),
                       LastCheckpoint(run / LAST, every=1)],
        )  # fmt: skip
        trainer.fit(_Scored(scores), range(9), range(1), ckpt_path=run / LAST if folder == "new" else None)
    files = (tmp_path / "new" / BEST).parent.glob("best*.ckpt")
    assert {path.stem: read_checkpoint(path)["global_step"] for path in files} == left


def test_the_same_step_once_more_leaves_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, 2, 4, 4)
    steps = {path.stem: read_checkpoint(path)["global_step"] for path in (tmp_path / "checkpoints").glob("*.ckpt")}
    assert steps == {"last": 4, "previous": 2}


def test_durations_of_the_clock() -> None:
    assert [wall_seconds(text) for text in ("30 minutes", "1.5 hours", "90 seconds")] == [1800.0, 5400.0, 90.0]
    assert [wall_seconds(text) for text in ("10 percent", "5 steps", 7)] == [None, None, None]
