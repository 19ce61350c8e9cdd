"""From the answers of runs to harmonic means and their paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "Rates", "difference", "estimate", "harmonic_mean"]

Floats = NDArray[np.float64]
Rates = Mapping[str, Mapping[str, float]]
"""Of one run: for `seen` and `unseen`, the share of right answers of each species."""

_RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its 95 % interval, and the value of each seed."""

    value: float
    low: float
    high: float
    seeds: list[float]


def harmonic_mean(seen: Floats, unseen: Floats) -> Floats:
    """Return the harmonic means of two accuracies, 0 where both are."""
    total = seen + unseen
    return np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)


def estimate(runs: Sequence[Rates], *, seed: int = 0) -> Estimate:
    """Return the harmonic mean of the macro accuracies on seen and unseen species, over runs of several seeds."""
    return _estimate([[_columns(run, run)[0]] for run in runs], seed)


def difference(runs: Sequence[Rates], reference: Sequence[Rates], *, seed: int = 0) -> Estimate:
    """Return by how much that of `runs` exceeds that of `reference`: the same seeds, paired by species."""
    return _estimate([list(_columns(run, other)) for run, other in zip(runs, reference, strict=True)], seed)


def _columns(run: Rates, other: Rates) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return the rates of seen and unseen species of two runs, in one order of species."""
    if any(run[group].keys() != other[group].keys() for group in ("seen", "unseen")):
        raise ValueError("runs do not match: their species differ")
    return _in_order(run, run), _in_order(other, run)


def _in_order(run: Rates, order: Rates) -> tuple[Floats, Floats]:
    seen, unseen = (np.array([run[group][name] for name in order[group]]) for group in ("seen", "unseen"))
    return seen, unseen


def _estimate(runs: Sequence[Sequence[tuple[Floats, Floats]]], seed: int) -> Estimate:
    """Redraw seeds, then the species of each, the same ones for both runs of a pair; the second one is subtracted."""
    random = np.random.default_rng(seed)
    values = [_value(run, *(np.ones((1, len(rates))) for rates in run[0])).item() for run in runs]
    means_SR = np.stack([_value(run, *(_counts(len(rates), random) for rates in run[0])) for run in runs])
    chosen_RS = random.integers(len(runs), size=(_RESAMPLES, len(runs)))
    # A seed that is drawn twice brings the same redrawn species twice, which widens the interval a little.
    means_R = np.take_along_axis(means_SR.T, chosen_RS, axis=1).mean(axis=1)
    low, high = np.percentile(means_R, [2.5, 97.5]).tolist()
    return Estimate(float(np.mean(values)), low, high, values)


def _value(run: Sequence[tuple[Floats, Floats]], seen_RS: Floats, unseen_RU: Floats) -> Floats:
    """Return the harmonic mean of a run, or the difference of two, under R weightings of the species."""
    means = [
        harmonic_mean(seen_RS @ seen / seen_RS.sum(axis=1), unseen_RU @ unseen / unseen_RU.sum(axis=1))
        for seen, unseen in run
    ]
    return means[0] - means[1] if len(means) == 2 else means[0]


def _counts(size: int, random: np.random.Generator) -> Floats:
    return random.multinomial(size, np.full(size, 1 / size), size=_RESAMPLES).astype(np.float64)
