"""Learning-rate schedules as pure functions of the step: a resumed run cannot fall out of step."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "multiplier"]


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def _linear(progress: float) -> float:
    return 1 - progress


def _constant(progress: float) -> float:
    del progress
    return 1.0


# The one-cycle policy of PyTorch: it begins at a 25th of the rate and ends at a 10,000th of that.
_START, _END = 1 / 25, 1 / 25 / 1e4
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": _cosine,
    "linear": _linear,
    "constant": _constant,
    "one_cycle": _cosine,
}


def multiplier(step: int, *, schedule: str, warmup: int, total: int, floor: float = 0.0) -> float:
    """Return the factor on the learning rate at a step.

    `one_cycle` is that of `torch.optim.lr_scheduler.OneCycleLR` with its defaults: both the warm-up and the way down
    are half a cosine.

    Args:
        step: Steps done before this one.
        schedule: Name in `SCHEDULES`.
        warmup: Steps of linear warm-up.
        total: Steps of the run.
        floor: Share of the learning rate that is kept at the end.
    """
    if schedule == "one_cycle":
        return _one_cycle(step, warmup, total)
    if step < warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(total - warmup, 1), 1.0)
    return floor + (1 - floor) * SCHEDULES[schedule](progress)


def _one_cycle(step: int, warmup: int, total: int) -> float:
    """Rise to 1 at the last step of the warm-up, and fall until the last step of the run."""
    peak, last = max(warmup - 1, 0), max(total - 1, 1)
    if step < peak:
        return 1 + (_START - 1) * _cosine(step / peak)
    progress = min((step - peak) / max(last - peak, 1), 1.0)
    return _END + (1 - _END) * _cosine(progress)
