"""What a run does at this moment, as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from clipbio.files import write_json

__all__ = ["StatusFile"]


class StatusFile(Callback):
    """Keep `status.json` up to date: what the run does, and how far it is.

    Args:
        path: The file.
        every: Seconds between updates.
    """

    def __init__(self, path: Path, *, every: float = 10.0) -> None:
        self.path = path
        self.every = every
        self._written = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the step from time to time."""
        if trainer.is_global_zero and time.monotonic() - self._written > self.every:
            self._written = time.monotonic()
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            finite = bool(torch.isfinite(loss).all()) if loss is not None else True
            write_json(
                self.path,
                {
                    "state": "running",
                    "step": trainer.global_step,
                    "steps": trainer.max_steps,
                    "finite": finite,
                    "updated": time.time(),
                },
            )
