"""AdamW with the parameter groups that contrastive training needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from clipbio.errors import ClipbioError, nearest
from clipbio.models import Tower
from clipbio.training.durations import Duration, RunLength
from clipbio.training.schedule import SCHEDULES, multiplier

__all__ = ["AdamWRecipe", "parameter_groups"]

Group = dict[str, object]
# By the power of the batch with which rates grow.
_SCALING = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}


def parameter_groups(
    parts: Iterable[tuple[str, nn.Module, float]], *, weight_decay: float, layer_decay: float = 1.0
) -> list[Group]:
    """Return optimiser groups: per part with its own learning rate, with and without weight decay.

    Norms, biases, the temperature and everything else with fewer than two dimensions are not decayed. With
    `layer_decay` a tower is cut by depth: its projections keep the rate, each group of its trunk has that of the one
    above it times `layer_decay`. Depth 0 is the output.

    Args:
        parts: Name, module and learning rate; only trainable parameters are taken, each of them once.
        weight_decay: Decay of the others.
        layer_decay: Factor from each depth to the next, 1 for one rate per part.
    """
    groups: list[Group] = []
    seen: set[int] = set()
    for name, module, lr in parts:
        layered = layer_decay != 1 and isinstance(module, Tower)
        for depth, members in enumerate(_by_depth(module) if layered else [list(module.parameters())]):
            new = [one for one in dict.fromkeys(members) if one.requires_grad and id(one) not in seen]
            seen |= {id(one) for one in new}
            label = f"{name}/depth_{depth:02}" if layered else name
            groups += _by_decay(label, new, lr * layer_decay**depth if layered else lr, weight_decay)
    return groups


def _by_depth(tower: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters of a tower from output to input."""
    assert isinstance(tower, Tower)
    try:
        groups = [] if tower.frozen else tower.trunk.groups()
    except ClipbioError as error:
        raise ClipbioError(
            f"optim.layer_decay: the {tower.modality} trunk has no order of layers; set it to 1"
        ) from error
    depths = [list(tower.projections.parameters()), *reversed(groups)]
    # What a trunk counts to no group is nearest to the input; the others are taken before.
    return [*depths[:-1], [*depths[-1], *tower.parameters()]]


def _by_decay(name: str, members: Sequence[nn.Parameter], lr: float, weight_decay: float) -> list[Group]:
    decayed = [parameter for parameter in members if parameter.ndim >= 2]
    plain = [parameter for parameter in members if parameter.ndim < 2]
    return [
        {"name": name + suffix, "params": chosen, "lr": lr, "weight_decay": decay}
        for suffix, chosen, decay in (("", decayed, weight_decay), ("/no_decay", plain, 0.0))
        if chosen
    ]


@dataclass(frozen=True)
class AdamWRecipe:
    """AdamW and its schedule.

    Args:
        lr: Learning rate; a tower may have its own.
        weight_decay: Decay of matrices.
        betas: Momentum terms.
        eps: Added to the denominator.
        schedule: `cosine`, `linear`, `constant` or `one_cycle`.
        warmup: Duration of linear warm-up.
        floor: Share of the learning rate kept at the end.
        layer_decay: Factor on the learning rate from each group of a trunk to the one before it; 1 switches it off.
        scale_lr: Whether learning rates, those of towers too, are meant for `base_batch_size` and grow with the
            specimens of a step: `none`, `linear` (as in SGD) or `sqrt` (usual for Adam).
        base_batch_size: Specimens of a step that the rates are meant for.
    """

    lr: float
    weight_decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    schedule: str = "cosine"
    warmup: str = "0 steps"
    floor: float = 0.0
    layer_decay: float = 1.0
    scale_lr: str = "none"
    base_batch_size: int = 256

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ClipbioError(f"optim.lr={self.lr} must be positive")
        if self.schedule not in SCHEDULES:
            raise ClipbioError(f"optim.schedule='{self.schedule}' is unknown{nearest(self.schedule, SCHEDULES)}")
        if self.schedule == "one_cycle" and self.floor:
            raise ClipbioError(f"optim.floor={self.floor}: the schedule one_cycle has an end of its own; set it to 0")
        if not 0 < self.layer_decay <= 1:
            raise ClipbioError(f"optim.layer_decay={self.layer_decay} must lie above 0 and be at most 1")
        if self.scale_lr not in _SCALING:
            raise ClipbioError(f"optim.scale_lr='{self.scale_lr}' is unknown{nearest(self.scale_lr, _SCALING)}")
        if self.base_batch_size < 1:
            raise ClipbioError(f"optim.base_batch_size={self.base_batch_size} must be at least 1")
        Duration.parse(self.warmup, "optim.warmup")

    def rate(self, lr: float | None, length: RunLength) -> float:
        """Return the highest learning rate of a part after scaling; None is the common one."""
        factor: float = (length.batch_size / self.base_batch_size) ** _SCALING[self.scale_lr]
        return (self.lr if lr is None else lr) * factor

    def warmup_steps(self, length: RunLength) -> int:
        """Return the steps of warm-up; a warm-up that is longer than the run is refused."""
        steps = Duration.parse(self.warmup, "optim.warmup").steps(length)
        if length.total_steps is not None and steps > length.total_steps:
            raise ClipbioError(
                f"optim.warmup='{self.warmup}' is {steps} steps, longer than the run of {length.total_steps} steps: "
                "give a share, such as optim.warmup='10 percent'"
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
            [(name, module, self.rate(lr, length)) for name, module, lr in parts],
            weight_decay=self.weight_decay,
            layer_decay=self.layer_decay,
        )
        if not groups:
            raise ClipbioError("nothing is trained: every tower is frozen and no projection is learnt")
        fused = True if _on_cpu(groups) else None
        optimizer = AdamW(
            groups, lr=self.rate(None, length), betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=fused
        )
        if fused:
            # Lightning refuses to clip for optimisers that unscale gradients themselves: no scaler runs on a CPU.
            optimizer._step_supports_amp_scaling = False
        warmup = self.warmup_steps(length)
        return optimizer, LambdaLR(
            optimizer,
            lambda step: multiplier(step, schedule=self.schedule, warmup=warmup, total=total, floor=self.floor),
        )


def _on_cpu(groups: Iterable[Group]) -> bool:
    """Tell whether one pass over memory can do the step: on a GPU PyTorch's own choice is as fast."""
    return all(one.device.type == "cpu" for group in groups for one in group["params"])  # type: ignore[attr-defined]
