"""How fast a run is, measured in its first steps and told once."""

from __future__ import annotations

import logging
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from clipbio.files import read_json, write_json
from clipbio.training.steps import completes_step

__all__ = ["PLAN", "Pace"]

log = logging.getLogger(__name__)
PLAN = "plan.json"


class Pace(Callback):
    """Say seconds per step and when the run ends, and put what was measured beside the estimates of `plan.json`.

    Args:
        path: That file.
        settling: Steps that are not counted: kernels are chosen and readers started in them.
        seconds: How long is measured.
    """

    def __init__(self, path: Path, *, settling: int = 3, seconds: float = 10.0) -> None:
        self.path = path
        self.settling = settling
        self.seconds = seconds
        self._steps = 0
        self._began = 0.0
        self._told = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a step; tell when enough are counted, or the run ends."""
        if self._told or not trainer.is_global_zero or not completes_step(trainer, batch_idx):
            return
        self._steps += 1
        now = time.perf_counter()
        if self._steps <= self.settling:
            self._began = now
        elif now - self._began > self.seconds or trainer.global_step >= trainer.max_steps:
            self._tell(trainer, (now - self._began) / (self._steps - self.settling))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew: a validation is no step. What was settled stays settled."""
        if not self._told:
            self._steps, self._began = min(self._steps, self.settling), time.perf_counter()

    def _tell(self, trainer: pl.Trainer, seconds: float) -> None:
        self._told = True
        measured = {"seconds_per_step": seconds, "peak_bytes": _peak_bytes(trainer.strategy.root_device)}
        left = (trainer.max_steps - trainer.global_step) * seconds
        if left > 0:
            ends = time.strftime("%a %H:%M", time.localtime(time.time() + left))
            log.info("%.3g s/step: the steps that are left end about %s, validation not counted", seconds, ends)
        if self.path.exists():
            write_json(self.path, {**read_json(self.path), "measured": measured})


def _peak_bytes(device: torch.device) -> int:
    """Return the most memory that was held: of the GPU, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
