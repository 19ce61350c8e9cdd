"""Stopping a run so that it can be continued."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from clipbio.data.batch import Batch
from clipbio.distributed import largest
from clipbio.training.signals import STOP_SIGNALS, StopSignals
from clipbio.training.steps import completes_step, validates

__all__ = ["GracefulStop"]


class GracefulStop(Checkpoint):
    """Once the run was asked to stop, finish the step, save a checkpoint and end training, on all processes together.

    Args:
        path: Where the checkpoint goes.
        signals: What asks for it.
    """

    def __init__(self, path: Path, signals: StopSignals) -> None:
        self.path = path
        self.signals = signals

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From here on a signal waits for the end of a step."""
        self.signals.deferred = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Mapping[str, Batch],
        batch_idx: int,
    ) -> None:
        """Stop all processes at the same step once one of them was asked to."""
        if completes_step(trainer, batch_idx) and self._is_asked():
            trainer.should_stop = True
            if not validates(trainer):
                # Lightning would validate before it stops, off schedule and in the time that is left to us.
                trainer.limit_val_batches = 0
                trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation that was due at the step of the stop, or during which it was asked for."""
        if self._is_asked():
            trainer.should_stop = True
            trainer.save_checkpoint(self.path)

    def _is_asked(self) -> bool:
        """Tell whether any process was asked to stop; all then know the signal."""
        number = self.signals.number
        weight = largest(0 if number is None else 1 + STOP_SIGNALS.index(number))
        if weight:
            self.signals.ask(STOP_SIGNALS[weight - 1])
        return weight > 0
