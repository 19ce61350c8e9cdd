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


SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": _cosine, "linear": _linear, "constant": _constant}


def multiplier(step: int, *, schedule: str, warmup: int, total: int, floor: float = 0.0) -> float:
    """Return the factor on the learning rate at a step.

    Args:
        step: Steps done before this one.
        schedule: Name in `SCHEDULES`.
        warmup: Steps of linear warm-up.
        total: Steps of the run.
        floor: Share of the learning rate that is kept at the end.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(total - warmup, 1), 1.0)
    return floor + (1 - floor) * SCHEDULES[schedule](progress)
