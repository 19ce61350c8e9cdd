"""A leaderboard: figures of several runs, and for each two of them how they differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clipbio.evaluation.expected import Published
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.metrics import Interval
from clipbio.evaluation.run_results import RunResults

__all__ = ["Leaderboard", "Pair", "Unit", "is_of_errors", "lower_is_better"]

Unit = Literal["specimens", "species"]
# Words in the names of metrics of which a small value is a good one.
_LOW = {"fpr", "ece", "brier", "nll", "distance", "error"}


@dataclass(frozen=True)
class Pair:
    """By how much one figure of `first` is above that of `second`, on the same queries; `p` is corrected for all pairs.

    `species_interval` and `p_species` are over whole species, which there must be two of for an interval.
    """

    key: str
    first: str
    second: str
    difference: float
    interval: Interval | None
    species_interval: Interval | None
    test: str
    p: float
    p_species: float
    n: int
    species: int


@dataclass(frozen=True)
class Leaderboard:
    """Figures of runs; `odd` names figures (by key and run) that were measured on other data than the first run's.

    `pairs` are by key and the two names, in both orders.
    """

    runs: tuple[RunResults, ...]
    keys: tuple[str, ...]
    published: Mapping[tuple[str, str], tuple[Published, ...]]
    pairs: Mapping[tuple[str, str, str], Pair]
    odd: Mapping[tuple[str, str], str]
    baseline: str | None
    alpha: float
    unit: Unit

    def figure(self, key: str, run: str) -> Figure | None:
        """Return a figure of a run, None if it was not measured."""
        return next(one for one in self.runs if one.name == run).figures.get(key)

    def best(self, key: str) -> str | None:
        """Name the run with the best figure, among those that can be compared."""
        values = {
            run.name: run.figures[key].value or 0.0
            for run in self.runs
            if key in run.figures and (key, run.name) not in self.odd
        }
        return max(
            values, key=lambda name: values[name] if lower_is_better(key) is False else -values[name], default=None
        )

    def is_best(self, key: str, run: str) -> bool:
        """Tell whether no run that can be compared has a better figure."""
        best, figure = self.best(key), self.figure(key, run)
        if best is None or figure is None or (key, run) in self.odd:
            return False
        top = self.figure(key, best)
        return top is not None and figure.value == top.value

    def reference(self, key: str) -> str | None:
        """Name the run with which the others are compared: the baseline, else the best one."""
        return self.baseline or self.best(key)

    def pair(self, key: str, run: str) -> Pair | None:
        """Return how a run compares with the reference; None where there is no comparison."""
        return self.pairs.get((key, run, self.reference(key) or ""))

    def p_value(self, pair: Pair) -> float:
        """Return the p-value by which runs are told apart."""
        return pair.p_species if self.unit == "species" else pair.p

    def is_tied(self, key: str, run: str) -> bool:
        """Tell whether a run was compared with the reference and is not significantly different."""
        pair = self.pair(key, run)
        return pair is not None and self.p_value(pair) >= self.alpha


def lower_is_better(key: str) -> bool:
    """Tell whether a small figure is a good one: errors, distances, false positives."""
    return bool(_LOW & {*re.split(r"[^a-z]+", key.split("/")[-1])})


def is_of_errors(key: str) -> bool:
    """Tell whether a figure is of wrong answers alone: `distance_wrong`, `wrong_in_genus`; each model has its own n."""
    return "wrong" in key.split("/")[-1].split("_")
