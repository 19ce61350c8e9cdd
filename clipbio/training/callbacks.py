"""Callbacks that a run of ours needs beyond Lightning's own."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from clipbio.data.batch import Batch
from clipbio.distributed import gather_objects
from clipbio.errors import ClipbioError
from clipbio.training.loggers import read_history
from clipbio.training.steps import completes_step

__all__ = ["LearningRates", "SampleLog", "SkippedGuard", "Throughput"]

log = logging.getLogger(__name__)

Batches = Mapping[str, Batch]


class Throughput(Callback):
    """Log samples per second over all processes, and the share of time spent waiting for data."""

    def __init__(self) -> None:
        self._ended = 0.0
        self._waited = 0.0
        self._since = 0.0
        self._samples = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._reset(time.perf_counter())

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the time since the last step ended as waiting."""
        self._waited += time.perf_counter() - self._ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batches, batch_idx: int
    ) -> None:
        """Log at the logging steps."""
        now = time.perf_counter()
        self._ended = now
        self._samples += sum(len(part["ids"]) for part in batch.values()) * trainer.world_size
        if completes_step(trainer, batch_idx) and trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            elapsed = max(now - self._since, 1e-9)
            values = {"train/samples_per_second": self._samples / elapsed, "train/data_wait": self._waited / elapsed}
            pl_module.log_dict(values, prog_bar=True)
            self._reset(now)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the time of validation out."""
        self._reset(time.perf_counter())

    def _reset(self, now: float) -> None:
        self._ended = self._since = now
        self._waited, self._samples = 0.0, 0


class LearningRates(Callback):
    """Log the learning rate of each part of the model: with layer decay that of its output, the highest one."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Log the rates of the coming step, where it is one that is logged."""
        if not pl_module.logs_now:
            return
        rates: dict[str, float] = {}
        for group in (group for optimizer in trainer.optimizers for group in optimizer.param_groups):
            key = f"lr/{group['name'].partition('/')[0]}"
            rates[key] = max(rates.get(key, 0.0), group["lr"])
        pl_module.log_dict(rates)


class SkippedGuard(Callback):
    """Count and name the specimens that could not be used; stop the run when they are too many.

    Args:
        total: Number of train specimens of all streams.
        max_share: Share of them above which the run stops.
        path: File to which each skipped specimen is written once.
    """

    def __init__(self, *, total: int, max_share: float, path: Path) -> None:
        self.total = total
        self.max_share = max_share
        self.path = path
        self.skipped: dict[str, str] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember what an earlier attempt skipped."""
        self.skipped = {line["id"]: line["reason"] for line in read_history(self.path)}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batches, batch_idx: int
    ) -> None:
        """Take note of what the batch left out; decide at logging steps, all processes together."""
        found = {item.id: item.reason for part in batch.values() for item in part["skipped"]}
        new = {id_: reason for id_, reason in found.items() if id_ not in self.skipped}
        self.skipped |= new
        for id_, reason in new.items():
            log.warning("skipped %s: %s", id_, reason)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"id": id_, "reason": reason}) + "\n")
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._judge()

    def _judge(self) -> None:
        skipped = {id_: reason for part in gather_objects(self.skipped) for id_, reason in part.items()}
        if len(skipped) > self.max_share * self.total:
            id_, reason = next(reversed(skipped.items()))
            raise ClipbioError(
                f"{len(skipped)} of {self.total} train specimens are unusable, more than "
                f"data.max_skipped_share={self.max_share}; the last one {id_}: {reason}. They are listed in {self.path}"
            )


class SampleLog(Callback):
    """Write which specimens of which streams stood in each step, and how they were drawn, one file per process.

    `seeds` are those of the augmentation, `text_seeds` those of the texts, `texts` numbers that stand for the texts.

    Args:
        folder: Where `rank-N.jsonl` goes.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batches, batch_idx: int
    ) -> None:
        """Append this process's share."""
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = list(batch.values())
        line = {
            "step": parts[0]["step"] // trainer.accumulate_grad_batches,
            "ids": [id_ for part in parts for id_ in part["ids"]],
            "streams": [name for part in parts for name in part["stream"]],
            "seeds": [seed for part in parts for seed in part["seeds"]],
            "text_seeds": [seed for part in parts for seed in part["text_seeds"]],
            "texts": [text for part in parts for text in part["text_B"].tolist()],
            "loss": float(outputs["loss"]),
        }
        with (self.folder / f"rank-{trainer.global_rank}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
