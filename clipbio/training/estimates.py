"""Memory and time of a run before its first step, as ranges: what is known is counted, the rest is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torch import nn

from clipbio.training.costs import TrunkCost

__all__ = ["EncodedTower", "Estimate", "estimate_memory", "estimate_step"]

# What the count leaves out: the allocator's gaps and scratch space, or that texts are shorter than the longest.
_MEMORY_RANGE = (0.7, 1.5)
# Activations of mixed precision in proportion to those of 32 bits: norms and the loss stay as they are.
_ACTIVATIONS = {"32-true": 1.0, "64-true": 2.0}
_MIXED = 0.6
# Scratch space of the loss, which is computed tile by tile.
_LOSS_BYTES = {"cpu": 32 * 2**20, "cuda": 2**30}


@dataclass(frozen=True, slots=True)
class EncodedTower:
    """A tower whose trunk runs at each step.

    Args:
        cost: Of one sample.
        rows: Samples of a step on this process.
        piece: Samples that are encoded at once.
        trained: Whether anything in the trunk is trained.
    """

    cost: TrunkCost
    rows: int
    piece: int
    trained: bool

    @property
    def flops(self) -> float:
        """Operations of a step on this process."""
        again = self.trained and self.piece < self.rows
        return self.rows * (self.cost.forward * (1 + again) + self.cost.backward)


@dataclass(frozen=True)
class Estimate:
    """A range, and what it consists of."""

    low: float
    high: float
    parts: dict[str, float] = field(default_factory=dict)


def estimate_memory(
    modules: Sequence[nn.Module],
    towers: Iterable[EncodedTower],
    *,
    precision: str,
    processes: int,
    strategy: str,
    device: str,
) -> Estimate:
    """Return the bytes that one process needs beside Python and its libraries.

    Args:
        modules: Everything with weights: towers and heads.
        towers: Trunks that run at each step.
        precision: `trainer.precision`.
        processes: Number of processes.
        strategy: `ddp` holds gradients twice, in buckets; `fsdp` divides what is trained over the processes.
        device: `cpu` or `cuda`.
    """
    towers = list(towers)
    weights = {id(one): one for module in modules for one in (*module.parameters(), *module.buffers())}
    held = sum(one.nbytes for one in weights.values())
    trained = sum(one.nbytes for one in weights.values() if one.requires_grad)
    scale = _ACTIVATIONS.get(precision, _MIXED)
    parts = {
        "weights": float(held),
        "gradients": float(trained),
        "moments of AdamW": 2.0 * trained,
        "activations": scale * sum(one.cost.activations * min(one.piece, one.rows) for one in towers),
        "inputs": float(sum(one.cost.inputs * one.rows for one in towers)),
        "loss": float(_LOSS_BYTES.get(device, _LOSS_BYTES["cuda"])),
    }
    if strategy == "fsdp":
        # While it runs, a process gathers one unit of weights and has its gradient whole.
        parts |= {name: parts[name] / processes for name in ("weights", "gradients", "moments of AdamW")}
        parts["gathered units"] = 2.0 * max((_largest_unit(module) for module in modules), default=0)
    elif processes > 1:
        parts["buckets of DDP"] = float(trained)
    if precision not in _ACTIVATIONS:
        parts["weights in 16 bits"] = held / 2
    total = sum(parts.values())
    fixed = total - parts["activations"]
    # Known but for what frameworks add; activations are the uncertain part.
    return Estimate(
        fixed * 0.9 + parts["activations"] * _MEMORY_RANGE[0],
        fixed * 1.2 + parts["activations"] * _MEMORY_RANGE[1],
        parts,
    )


def _largest_unit(module: nn.Module) -> int:
    stacks = [one for one in module.modules() if isinstance(one, nn.ModuleList | nn.Sequential) and len(one) > 1]
    return max((sum(w.nbytes for w in block.parameters()) for stack in stacks for block in stack), default=0)


def estimate_step(towers: Iterable[EncodedTower], rate: float, utilisation: tuple[float, float]) -> Estimate:
    """Return the seconds of computing one step, without reading and decoding.

    Args:
        towers: Trunks that run at each step.
        rate: Operations per second of the device at best.
        utilisation: The least and the greatest share of it that is reached.
    """
    flops = sum(one.flops for one in towers)
    least, greatest = utilisation
    return Estimate(flops / rate / greatest, flops / rate / least, {"operations": flops})
