"""An exponential moving average of the trained weights, with which a run is validated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.training.durations import Duration
from clipbio.training.strategy import ShardedStrategy

__all__ = ["WeightAverage"]


class WeightAverage(Callback):
    """Keep a moving average of what is trained, and of the batch statistics that belong to it.

    Lightning's `EMAWeightAveraging` copies the whole module, frozen trunks and validation data included, stores all of
    it twice in each checkpoint, and takes the average back before our module encodes the texts of a validation.

    Args:
        decay: Share of the average that is kept at an update. It rises to this value over the first updates, so that
            random first weights are forgotten.
        every: Duration from one update to the next.
        start: How long to train before averaging begins.
        validate: Whether validations, and so the choice of the best checkpoint, use the average.
    """

    def __init__(
        self, decay: float = 0.999, every: str = "1 step", start: str = "0 steps", validate: bool = True
    ) -> None:
        if not 0 < decay < 1:
            raise ClipbioError(f"callbacks.ema.decay={decay} must lie between 0 and 1")
        if Duration.parse(every, "callbacks.ema.every").number <= 0:
            raise ClipbioError(f"callbacks.ema.every='{every}' must be more than nothing")
        Duration.parse(start, "callbacks.ema.start")
        self.decay = decay
        self.every = every
        self.start = start
        self.validate = validate
        self.averages: dict[str, Tensor] = {}
        self.updates = 0
        self._step, self._start, self._every = 0, 0, 1
        self._swapped = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse sharded weights."""
        if isinstance(trainer.strategy, ShardedStrategy):
            raise ClipbioError("callbacks=ema cannot average weights that trainer=fsdp shards; take trainer=ddp")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Convert durations to steps, and bring restored averages to the device of the weights."""
        self._step = trainer.global_step
        length = pl_module.length
        self._start, self._every = (
            Duration.parse(getattr(self, name), f"callbacks.ema.{name}").steps(length)  # type: ignore[arg-type]
            for name in ("start", "every")
        )
        current = averaged_tensors(pl_module)
        self.averages = {name: average.to(current[name].device) for name, average in self.averages.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update after an optimiser step, where one is due."""
        step = trainer.global_step
        if step == self._step:
            return
        self._step = step
        if step > self._start and (step - self._start) % self._every == 0:
            self._update(averaged_tensors(pl_module))

    def _update(self, current: dict[str, Tensor]) -> None:
        if not self.averages:
            self.averages = {name: tensor.detach().clone() for name, tensor in current.items()}
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, average in self.averages.items():
            average.lerp_(current[name].detach(), share)
        self.updates += 1

    # -- validation ------------------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in the place of the trained weights."""
        if self.validate and self.averages:
            self._swap(pl_module)
            self._swapped = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the trained weights back, before any checkpoint is written."""
        if self._swapped:
            self._swap(pl_module)
            self._swapped = False

    @torch.no_grad()
    def _swap(self, pl_module: pl.LightningModule) -> None:
        current = averaged_tensors(pl_module)
        for name, average in self.averages.items():
            kept = average.clone()
            average.copy_(current[name])
            current[name].copy_(kept)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the averages under the names of the weights."""
        if self.averages:
            checkpoint["averaged"] = {"weights": self.averages, "updates": self.updates, "validated": self.validate}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on from stored averages."""
        if "averaged" in checkpoint:
            self.averages = {name: tensor.clone() for name, tensor in checkpoint["averaged"]["weights"].items()}
            self.updates = int(checkpoint["averaged"]["updates"])


def averaged_tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return what is averaged, by its name in the checkpoint: trained weights and the statistics beside them."""
    found: dict[str, Tensor] = {name: one for name, one in module.named_parameters() if one.requires_grad}
    stored = module.state_dict(keep_vars=True)
    parts = dict(module.named_modules())
    for name, buffer in module.named_buffers():
        if name in stored and buffer.is_floating_point() and _is_trained(parts, name.rpartition(".")[0]):
            found[name] = buffer
    return found


def _is_trained(parts: Mapping[str, torch.nn.Module], name: str) -> bool:
    """Tell whether a module's own weights are trained; one without any, such as a norm, is like what is around it."""
    part, around = parts[name], name
    if not list(part.parameters(recurse=False)) and not list(part.children()):
        while around and next(parts[around].parameters(), None) is None:
            around = around.rpartition(".")[0]
        return any(parameter.requires_grad for parameter in parts[around].parameters())
    return any(parameter.requires_grad for parameter in part.parameters(recurse=False))
