"""Stopping a run so that it can be continued."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from clipbio.data.batch import Batch
from clipbio.training.steps import completes_step, validates

__all__ = ["GracefulStop"]

log = logging.getLogger(__name__)


class GracefulStop(Checkpoint):
    """On Ctrl-C or SIGTERM finish the step, save a checkpoint and stop; a second Ctrl-C stops at once.

    Args:
        path: Where the checkpoint goes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put our handlers in the place of Lightning's."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        log.warning("%s: saving a checkpoint after this step; Ctrl-C again stops at once", signal.Signals(number).name)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Mapping[str, Batch],
        batch_idx: int,
    ) -> None:
        """Stop all processes at the same step once one of them was asked to."""
        if not completes_step(trainer, batch_idx):
            return
        asked = self.signal is not None
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self.signal = self.signal or signal.SIGTERM
            trainer.should_stop = True
            if not validates(trainer):
                # Lightning would validate before it stops, off schedule and in the time that is left to us.
                trainer.limit_val_batches = 0
                trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation that was due at the step of the stop."""
        if trainer.should_stop and self.signal is not None:
            trainer.save_checkpoint(self.path)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
