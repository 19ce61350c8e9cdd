"""What a batch is to the run: the end of an optimiser step, and whether a validation follows."""

from __future__ import annotations

import pytorch_lightning as pl

__all__ = ["completes_step", "validates"]


def validates(trainer: pl.Trainer) -> bool:
    """Tell whether a validation follows this step."""
    interval = max(1, int(trainer.val_check_batch or 1) // trainer.accumulate_grad_batches)
    return bool(trainer.enable_validation) and trainer.global_step % interval == 0


def completes_step(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Tell whether the optimiser stepped on this batch: with accumulated gradients it does so on every n-th."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0
