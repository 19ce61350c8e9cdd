"""The checkpoints with the best scores in validation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from clipbio.training.atomic_checkpoints import AtomicCheckpoints, link

__all__ = ["BestCheckpoints"]


class BestCheckpoints(ModelCheckpoint):
    """Keep the checkpoints with the best scores; the best of them is always `best.ckpt`.

    Several are called `best-step-0000100.ckpt`; `best.ckpt` is then a second name of one of them.

    Args:
        path: Where the best one is.
        monitor: The metric that chooses.
        mode: Whether more (`max`) or less (`min`) of it is better.
        keep: How many are kept.
    """

    def __init__(self, path: Path, *, monitor: str, mode: str, keep: int = 1) -> None:
        super().__init__(
            path.parent,
            filename=path.stem if keep == 1 else f"{path.stem}-step-{{step:07d}}",
            monitor=monitor,
            mode=mode,
            save_top_k=keep,
            auto_insert_metric_name=False,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self.path = path
        self._linked = ""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where this score is among the best, and let `best.ckpt` mean the best of all."""
        super().on_validation_end(trainer, pl_module)
        writer = trainer.strategy.checkpoint_io
        if self.save_top_k == 1 or not trainer.is_global_zero or not isinstance(writer, AtomicCheckpoints):
            return
        if self.best_model_path and self.best_model_path != self._linked:
            self._linked = self.best_model_path
            writer.then(partial(link, Path(self.best_model_path), self.path))
