"""The figures of a run beside those of its repetition: equal, within a tolerance, or different."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbio.evaluation.figures import Figure, parse

__all__ = ["EQUAL", "ComparedFigure", "ComparedHistory", "compare_figures", "compare_history", "counted"]

EQUAL, WITHIN, DIFFERENT, MISSING = "equal", "within tolerance", "different", "missing"
# Of a line of metrics.jsonl that is no number of the run but of the clock.
_CLOCK = ("train/samples_per_second", "train/data_wait")
# What is not judged by the interval of its figure: numbers that no arithmetic changes.
_COUNTS = ("n", "chance")
_PARTS = ("value", "low", "high", "low_species", "high_species", *_COUNTS)


@dataclass(frozen=True)
class ComparedFigure:
    """A figure, then and now, with the difference that is allowed.

    Attributes:
        key: Key of its value in metrics.json.
        then: Value in the run, None where it has none.
        now: Value in the repetition.
        tolerance: Greatest difference that counts as the same.
        verdict: `equal` (with interval, n and chance), `within tolerance`, `different` or `missing`.
    """

    key: str
    then: float | None
    now: float | None
    tolerance: float
    verdict: str


def compare_figures(
    then: Mapping[str, float], now: Mapping[str, float], *, share: float | None, other_seed: bool = False
) -> list[ComparedFigure]:
    """Compare two metrics.json figure by figure.

    Args:
        then: Numbers of the run.
        now: Numbers of the repetition.
        share: Tolerance as a share of half the width of a figure's 95 % interval, but at least one of the things
            that it averages; None allows no difference at all.
        other_seed: Whether they are two trainings, not two times the same: the tolerance is then the 95 % interval of
            the difference of two independent figures.
    """
    before, after = ({one.key: one for one in parse(numbers)} for numbers in (then, now))
    found = []
    for key in sorted({*before, *after}):
        first, second = before.get(key), after.get(key)
        allowed = 0.0 if first is None or second is None else _tolerance(first, second, share, other_seed)
        values = (first.value if first else None, second.value if second else None)
        found.append(ComparedFigure(key, *values, allowed, _verdict(first, second, allowed)))
    return found


def _tolerance(then: Figure, now: Figure, share: float | None, other_seed: bool) -> float:
    if share is None:
        return 0.0
    least = 1 / then.n if then.n else 0.0
    widths = [_half_width(one) for one in (then, now)]
    if other_seed:
        return max(least, math.hypot(*widths))
    return max(least, share * widths[0])


def _half_width(figure: Figure) -> float:
    return 0.0 if figure.low is None or figure.high is None else (figure.high - figure.low) / 2


def _verdict(then: Figure | None, now: Figure | None, allowed: float) -> str:
    if then is None or now is None or (then.value is None) != (now.value is None):
        return MISSING
    if all(getattr(then, part) == getattr(now, part) for part in _PARTS):
        return EQUAL
    if any(getattr(then, part) != getattr(now, part) for part in _COUNTS):
        return DIFFERENT
    # The interval moves with its figure and is drawn anew: it is not judged by itself.
    return WITHIN if allowed and abs((then.value or 0.0) - (now.value or 0.0)) <= allowed * (1 + 1e-9) else DIFFERENT


def counted(figures: Sequence[ComparedFigure]) -> dict[str, int]:
    """Return how many figures have each verdict."""
    return dict(Counter(one.verdict for one in figures))


@dataclass(frozen=True)
class ComparedHistory:
    """Two metrics.jsonl, step by step.

    Attributes:
        steps: Number of steps that both have logged.
        only_one: Number of steps that one of them has not logged.
        first: The first step with a number that is not equal, None if there is none.
        keys: Names of those numbers at that step.
        loss: Greatest relative difference of `train/loss` over all steps.
    """

    steps: int
    only_one: int
    first: int | None
    keys: tuple[str, ...]
    loss: float

    @property
    def is_equal(self) -> bool:
        """Whether every number of every step is the same."""
        return self.first is None and not self.only_one


def compare_history(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> ComparedHistory:
    """Compare the logs of two runs; what the clock measures is left out."""
    before, after = _by_step(then), _by_step(now)
    both = sorted({*before} & {*after})
    unequal = ((step, tuple(_unequal(before[step], after[step]))) for step in both)
    first, keys = next(((step, keys) for step, keys in unequal if keys), (None, ()))
    losses = [_relative(before[step].get("train/loss"), after[step].get("train/loss")) for step in both]
    return ComparedHistory(len(both), len({*before} ^ {*after}), first, keys, max(losses, default=0.0))


def _by_step(lines: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        numbers = {key: value for key, value in line.items() if key != "step" and key not in _CLOCK}
        found.setdefault(int(line["step"]), {}).update(numbers)
    return found


def _unequal(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    return (key for key in sorted({*then, *now}) if then.get(key) != now.get(key))


def _relative(then: float | None, now: float | None) -> float:
    if then is None or now is None:
        return 0.0
    return abs(then - now) / max(abs(then), abs(now), 1e-12)
