"""The checkpoint from which a run continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from clipbio.training.steps import completes_step, validates

__all__ = ["LastCheckpoint"]


class LastCheckpoint(Checkpoint):
    """Write `last.ckpt` from time to time, after the validation of a step where one is due.

    A checkpoint written before it would not know the score of that step: a continued run could then choose another best
    checkpoint than an undisturbed one.

    Args:
        path: The file.
        every: Number of steps between checkpoints.
    """

    def __init__(self, path: Path, *, every: int) -> None:
        self.path = path
        self.every = every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where no validation follows."""
        if completes_step(trainer, batch_idx) and not validates(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation of this step."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.path)
