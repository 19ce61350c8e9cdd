"""The checkpoint from which a run continues."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from clipbio.training.atomic_checkpoints import AtomicCheckpoints, link
from clipbio.training.steps import completes_step, validates
from clipbio.training.waiting import seconds_of

__all__ = ["LastCheckpoint", "wall_seconds"]

_WALL = re.compile(r".*(second|minute|hour)s?\s*")


def wall_seconds(text: object) -> float | None:
    """Return a duration of the clock such as `30 minutes` in seconds; nothing for one in steps, epochs or samples."""
    return seconds_of(str(text), "checkpoint.every") if _WALL.fullmatch(str(text)) else None


class LastCheckpoint(Checkpoint):
    """Write `last.ckpt` from time to time, after the validation of a step where one is due.

    A checkpoint written before it would not know the score of that step: a continued run could then choose another best
    checkpoint than an undisturbed one.

    Args:
        path: The file.
        every: Number of steps between checkpoints, if they go by steps.
        seconds: Seconds between checkpoints, if they go by the clock of the main process.
        keep_every: Number of steps after which one is kept for good beside it, as `step-0001000.ckpt`.
        clock: Tells seconds; it never goes back.
    """

    def __init__(
        self,
        path: Path,
        *,
        every: int | None = None,
        seconds: float | None = None,
        keep_every: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.every = every
        self.seconds = seconds
        self.keep_every = keep_every
        self.clock = clock
        self._saved_at = clock()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._saved_at = self.clock()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where no validation follows; tell of a checkpoint that could not be written."""
        writer = trainer.strategy.checkpoint_io
        if isinstance(writer, AtomicCheckpoints):
            writer.check()
        if completes_step(trainer, batch_idx) and not validates(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation of this step."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        keeps = self.keep_every is not None and trainer.global_step % self.keep_every == 0
        if not (self._is_due(trainer) or keeps):
            return
        trainer.save_checkpoint(self.path)
        self._saved_at = self.clock()
        writer = trainer.strategy.checkpoint_io
        if keeps and trainer.is_global_zero and isinstance(writer, AtomicCheckpoints):
            lasting = self.path.with_name(f"step-{trainer.global_step:07d}.ckpt")
            writer.then(partial(link, self.path, lasting))

    def _is_due(self, trainer: pl.Trainer) -> bool:
        if self.every is not None and trainer.global_step % self.every == 0:
            return True
        if self.seconds is None:
            return False
        due = trainer.is_global_zero and self.clock() - self._saved_at >= self.seconds
        # Clocks of processes differ: all of them save at the step at which the main one finds it due.
        return trainer.strategy.reduce_boolean_decision(due, all=False) if trainer.world_size > 1 else due
