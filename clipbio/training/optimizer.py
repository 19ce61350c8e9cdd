"""AdamW with the parameter groups that contrastive training needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from clipbio.errors import ClipbioError, nearest
from clipbio.training.durations import Duration, RunLength
from clipbio.training.schedule import SCHEDULES, multiplier

__all__ = ["AdamWRecipe", "parameter_groups"]

Group = dict[str, object]


def parameter_groups(parts: Iterable[tuple[str, nn.Module, float]], *, weight_decay: float) -> list[Group]:
    """Return optimiser groups: per part with its own learning rate, with and without weight decay.

    Norms, biases, the temperature and everything else with fewer than two dimensions are not decayed.

    Args:
        parts: Name, module and learning rate; only trainable parameters are taken.
        weight_decay: Decay of the others.
    """
    groups: list[Group] = []
    for name, module, lr in parts:
        trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in trainable if parameter.ndim >= 2]
        chosen = {id(parameter) for parameter in decayed}
        plain = [parameter for parameter in trainable if id(parameter) not in chosen]
        for suffix, members, decay in (("", decayed, weight_decay), ("/no_decay", plain, 0.0)):
            if members:
                groups.append({"name": name + suffix, "params": members, "lr": lr, "weight_decay": decay})
    return groups


@dataclass(frozen=True)
class AdamWRecipe:
    """AdamW and its schedule.

    Args:
        lr: Learning rate; a tower may have its own.
        weight_decay: Decay of matrices.
        betas: Momentum terms.
        eps: Added to the denominator.
        schedule: `cosine`, `linear` or `constant`.
        warmup: Duration of linear warm-up.
        floor: Share of the learning rate kept at the end.
    """

    lr: float
    weight_decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    schedule: str = "cosine"
    warmup: str = "0 steps"
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ClipbioError(f"optim.lr={self.lr} must be positive")
        if self.schedule not in SCHEDULES:
            raise ClipbioError(f"optim.schedule='{self.schedule}' is unknown{nearest(self.schedule, SCHEDULES)}")
        Duration.parse(self.warmup, "optim.warmup")

    def warmup_steps(self, length: RunLength) -> int:
        """Return the steps of warm-up; a warm-up that is longer than the run is refused."""
        steps = Duration.parse(self.warmup, "optim.warmup").steps(length)
        if length.total_steps is not None and steps > length.total_steps:
            raise ClipbioError(
                f"optim.warmup='{self.warmup}' is {steps} steps, longer than the run of {length.total_steps} steps"
            )
        return steps

    def build(
        self, parts: Iterable[tuple[str, nn.Module, float | None]], length: RunLength
    ) -> tuple[Optimizer, LambdaLR]:
        """Return the optimiser and the scheduler; parts without a learning rate take the common one."""
        total = length.total_steps
        if total is None or total < 1:
            raise ClipbioError(f"the run has {total} steps: give duration, such as 'duration=10 epochs'")
        groups = parameter_groups(
            [(name, module, self.lr if lr is None else lr) for name, module, lr in parts],
            weight_decay=self.weight_decay,
        )
        if not groups:
            raise ClipbioError("nothing is trained: every tower is frozen and no projection is learnt")
        optimizer = AdamW(groups, lr=self.lr, betas=(self.betas[0], self.betas[1]), eps=self.eps)
        warmup = self.warmup_steps(length)
        return optimizer, LambdaLR(
            optimizer,
            lambda step: multiplier(step, schedule=self.schedule, warmup=warmup, total=total, floor=self.floor),
        )
