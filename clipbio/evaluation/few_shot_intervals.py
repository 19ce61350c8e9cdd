"""Intervals of few-shot accuracies: both what is asked and which examples were drawn is left to chance.

With one example per class the draw moves the accuracy more than the queries do. An interval over queries alone would
say how well the figure is known for these very examples.

Units with equal answers are redrawn as one thing that occurs several times: the same distribution, sooner, and the same
numbers in whatever order the units come.

Shape suffixes: N specimens, U units that are redrawn together, C classes, F folds, R resamples, G = 2F.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.metrics import Interval, percentiles

__all__ = ["macro_interval", "mean_interval"]

_CELLS = 1 << 22

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def mean_interval(
    right_FN: NDArray[np.bool_], asked_FN: NDArray[np.bool_], unit_N: IntArray | None, *, seed: int, resamples: int
) -> Interval:
    """Return the 95 % interval of the mean over folds of their accuracy.

    Each resample redraws the units and, independently, the folds.

    Args:
        right_FN: Which specimens were right in which fold.
        asked_FN: Which were asked.
        unit_N: What is redrawn together, such as the species; None is each specimen by itself.
        seed: Seed of the resamples.
        resamples: How many.
    """
    right_UF, asked_UF, count_U = _distinct(right_FN, asked_FN, unit_N)
    generator = np.random.default_rng(seed)
    folds = right_UF.shape[1]
    weight_RF = _redrawn(generator, np.ones(folds), resamples) / folds
    means = []
    rows = max(1, _CELLS // len(right_UF))
    for start in range(0, resamples, rows):
        weight_rF = weight_RF[start : start + rows]
        drawn_rU = _redrawn(generator, count_U, len(weight_rF))
        # A fold of which nothing is drawn has no accuracy; there 0 of 1 stands, which needs a handful of units.
        accuracy_rF = (drawn_rU @ right_UF) / np.maximum(drawn_rU @ asked_UF, 1)
        means.append((weight_rF * accuracy_rF).sum(axis=1))
    return percentiles(np.concatenate(means))


def macro_interval(
    right_FN: NDArray[np.bool_], asked_FN: NDArray[np.bool_], class_N: IntArray, *, seed: int, resamples: int
) -> Interval:
    """Return the 95 % interval of the mean over classes of their share of right answers in all folds.

    Each resample redraws the classes and, independently, the folds; a class that was asked in none of the drawn folds
    does not count in it.

    Args:
        right_FN: Which specimens were right in which fold.
        asked_FN: Which were asked.
        class_N: Their classes.
        seed: Seed of the resamples.
        resamples: How many.
    """
    right_CF, asked_CF, count_C = _distinct(right_FN, asked_FN, class_N)
    generator = np.random.default_rng(seed)
    weight_RF = _redrawn(generator, np.ones(right_CF.shape[1]), resamples)
    drawn_RC = _redrawn(generator, count_C, resamples)
    asked_RC = weight_RF @ asked_CF.T
    share_RC = (weight_RF @ right_CF.T) / np.maximum(asked_RC, 1)
    count_RC = drawn_RC * (asked_RC > 0)
    return percentiles((count_RC * share_RC).sum(axis=1) / np.maximum(count_RC.sum(axis=1), 1))


def _distinct(
    right_FN: NDArray[np.bool_], asked_FN: NDArray[np.bool_], unit_N: IntArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return right and asked answers per unit and fold, of distinct units, and how often each occurs."""
    sums_UG = np.concatenate([_sums(right_FN, unit_N), _sums(asked_FN, unit_N)], axis=1)
    distinct_UG, count_U = np.unique(sums_UG, axis=0, return_counts=True)
    folds = len(right_FN)
    return distinct_UG[:, :folds], distinct_UG[:, folds:], count_U.astype(np.float64)


def _sums(values_FN: NDArray[np.bool_], unit_N: IntArray | None) -> FloatArray:
    if unit_N is None:
        return values_FN.T.astype(np.float64)
    number_N = np.unique(unit_N, return_inverse=True)[1].reshape(-1)
    return np.stack([np.bincount(number_N, weights=values_N) for values_N in values_FN], axis=1)


def _redrawn(generator: np.random.Generator, count_U: FloatArray, resamples: int) -> FloatArray:
    """Return how often each thing is drawn in each resample, of things that occur `count_U` times."""
    total = int(count_U.sum())
    return generator.multinomial(total, count_U / total, size=resamples).astype(np.float64)
