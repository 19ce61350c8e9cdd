"""Callbacks that a run of ours needs beyond Lightning's own."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint

from clipbio.data.batch import Batch
from clipbio.distributed import gather_objects
from clipbio.errors import ClipbioError
from clipbio.files import write_json
from clipbio.training.loggers import read_history

__all__ = ["GracefulStop", "LastCheckpoint", "LearningRates", "SampleLog", "SkippedGuard", "StatusFile", "Throughput"]

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
        if _completes_step(trainer, batch_idx) and trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
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
        if _completes_step(trainer, batch_idx) and not _validates(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation of this step."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.path)


def _validates(trainer: pl.Trainer) -> bool:
    """Tell whether a validation follows this step."""
    interval = max(1, int(trainer.val_check_batch or 1) // trainer.accumulate_grad_batches)
    return bool(trainer.enable_validation) and trainer.global_step % interval == 0


def _completes_step(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Tell whether the optimiser stepped on this batch: with accumulated gradients it does so on every n-th."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0


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
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batches, batch_idx: int
    ) -> None:
        """Stop all processes at the same step once one of them was asked to."""
        if not _completes_step(trainer, batch_idx):
            return
        asked = self.signal is not None
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self.signal = self.signal or signal.SIGTERM
            trainer.should_stop = True
            if not _validates(trainer):
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
