"""Steps whose loss or gradient is not finite."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from clipbio.distributed import largest
from clipbio.errors import DivergedError
from clipbio.losses import ContrastiveHead
from clipbio.models.projections import Standardise

__all__ = ["FiniteSteps", "check_finite"]

log = logging.getLogger(__name__)


class FiniteSteps(Callback):
    """Apply no step whose loss or gradient is not finite on some process; end the run when there are too many.

    A step that is left out counts as a step: the schedule goes on, weights and moments stay as they are. With fp16 the
    gradient is left to the scaler, which leaves such steps out by itself.

    Args:
        allowed: Steps of the whole run that may be left out.
    """

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.left_out = 0
        self._losses: list[Tensor] = []

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Keep the loss: looking at it now would make a GPU wait."""
        self._losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Take the gradient away where something is not finite: the optimiser then has nothing to do."""
        losses, self._losses = self._losses, []
        gradients = [] if getattr(trainer.precision_plugin, "scaler", None) else _gradients(optimizer)
        found = 0 if _all_finite([*losses, *gradients]) else 1 if _all_finite(losses) else 2
        what = ("", "gradient", "loss")[largest(found)]
        if not what:
            return
        optimizer.zero_grad(set_to_none=True)
        for module in pl_module.modules():
            if isinstance(module, Standardise):
                module.forget()
        self.left_out += 1
        place = f"step {trainer.global_step}: the {what} is not finite ({_circumstances(optimizer, pl_module)})"
        if self.left_out > self.allowed:
            raise DivergedError(
                f"{place}. It was not applied, and checkpoints/last.ckpt is sound. Lower optim.lr, lengthen "
                "optim.warmup, take trainer.precision=bf16-mixed or 32-true, or allow some such steps with "
                "max_nonfinite_steps"
            )
        log.warning("%s; left out, %d of max_nonfinite_steps=%d", place, self.left_out, self.allowed)

    def state_dict(self) -> dict[str, Any]:
        """Return the count, which belongs to the run."""
        return {"left_out": self.left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.left_out = int(state_dict["left_out"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the count, once there is one."""
        if self.left_out and trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            pl_module.log("train/nonfinite_steps", float(self.left_out))


def check_finite(state: Mapping[str, Any], step: int) -> None:
    """Refuse to save weights or statistics that are not finite.

    Raises:
        DivergedError: It names the first one.
    """
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and not _all_finite([value]):
            raise DivergedError(
                f"step {step}: {name} is not finite. It was not saved, and checkpoints/last.ckpt is sound. Lower "
                "optim.lr, lengthen optim.warmup, or take trainer.precision=bf16-mixed or 32-true"
            )


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    return [one.grad for one in parameters if one.grad is not None]


def _all_finite(tensors: Sequence[Tensor]) -> bool:
    """Tell whether all values are finite, with one look at the device; shards are judged where they are."""
    found = [one.to_local() if isinstance(one, DTensor) else one for one in tensors]
    return not found or bool(torch.nn.utils.get_total_norm(found).isfinite())


def _circumstances(optimizer: Optimizer, module: pl.LightningModule) -> str:
    rates = sorted({f"{group['lr']:.3g}" for group in optimizer.param_groups})
    scales = [
        f"logit scale {float(head.logit_scale.detach().exp()):.4g}"
        for head in module.modules()
        if isinstance(head, ContrastiveHead) and not isinstance(head.logit_scale, DTensor)
    ]
    return ", ".join([f"lr {' '.join(rates)}", *scales])
