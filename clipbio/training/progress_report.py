"""Telling the outside how far training is."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from clipbio.pulse import PULSE
from clipbio.training.status import Status

__all__ = ["ProgressReport"]


class ProgressReport(Callback):
    """Give signs of life, and keep step and phase of the status true.

    Args:
        status: What is written from time to time.
    """

    def __init__(self, status: Status) -> None:
        self.status = status

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that training begins."""
        PULSE.enter("training")
        self.status.step(trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; end the run where its status can no longer be written."""
        PULSE.beat()
        self.status.step(trainer.global_step)
        if self.status.problem is not None:
            raise self.status.problem

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that the validation begins."""
        PULSE.enter("validating")

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Count a batch."""
        PULSE.beat()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that training goes on."""
        PULSE.enter("training")
