"""Two sets of answers to the same queries: accuracies and their difference, with intervals over what varies by itself.

Records with one and the same barcode get one and the same answer, so they are redrawn together: an interval over single
records would be too narrow.

Shape suffixes: N queries, U units, C classes, R resamples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.metrics import FloatArray, Interval, percentiles

__all__ = ["Estimate", "accuracy", "compare"]

_CELLS = 1 << 22

IntArray = NDArray[np.int64]


class Estimate(NamedTuple):
    """A mean over queries (or over classes) with its 95 % interval, and how many things were averaged."""

    value: float
    interval: Interval | None
    n: int


def accuracy(
    values_N: NDArray[Any],
    *,
    unit_N: IntArray,
    class_N: IntArray | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Estimate:
    """Return the mean of one value per query, or the mean over classes of their means.

    Args:
        values_N: One number per query: right or wrong, or a difference of two such.
        unit_N: What is redrawn together, such as the number of the barcode.
        class_N: The true class of each query for the macro mean, whose units are redrawn within their class: the
            classes are taken as given. None is the mean over queries.
        seed: Seed of the interval.
        resamples: Resamples of the interval; 0 is no interval.

    Raises:
        ValueError: There are no queries.
    """
    if not len(values_N):
        raise ValueError("no queries: there is no accuracy")
    of_class_N = np.zeros(len(values_N), np.int64) if class_N is None else class_N
    names_UU, unit_N = np.unique(np.stack([of_class_N, unit_N]), axis=1, return_inverse=True)
    unit_N = unit_N.reshape(-1)
    classes, class_U = np.unique(names_UU[0], return_inverse=True)
    sum_U: FloatArray = np.bincount(unit_N, weights=values_N.astype(np.float64)).astype(np.float64)
    count_U = np.bincount(unit_N).astype(np.float64)
    value = _macro(np.ones((1, len(sum_U))), sum_U, count_U, class_U.reshape(-1))[0]
    n = len(values_N) if class_N is None else len(classes)
    if not resamples:
        return Estimate(float(value), None, n)
    means_R = _resampled(sum_U, count_U, class_U.reshape(-1), seed, resamples)
    return Estimate(float(value), percentiles(means_R), n)


def compare(
    first_N: NDArray[Any],
    second_N: NDArray[Any],
    target_N: NDArray[Any],
    *,
    unit_N: IntArray | None = None,
    macro: bool = False,
    seed: int = 0,
    resamples: int = 1000,
) -> Estimate:
    """Return by how much the first answers are more often right than the second ones, paired by query.

    Args:
        first_N: Answers of one method.
        second_N: Answers of another method to the same queries.
        target_N: The true answers.
        unit_N: What is redrawn together; None is each query by itself.
        macro: Average over the true classes instead of over queries.
        seed: Seed of the interval.
        resamples: Resamples of the interval; 0 is no interval.

    Raises:
        ValueError: The answers are not to the same number of queries.
    """
    if not len(first_N) == len(second_N) == len(target_N):
        raise ValueError(f"answers do not match: {len(first_N)}, {len(second_N)} and {len(target_N)} queries")
    gain_N = (first_N == target_N).astype(np.float64) - (second_N == target_N)
    units = np.arange(len(target_N)) if unit_N is None else unit_N
    class_N = np.unique(target_N, return_inverse=True)[1].reshape(-1) if macro else None
    return accuracy(gain_N, unit_N=units, class_N=class_N, seed=seed, resamples=resamples)


def _macro(weight_RU: FloatArray, sum_U: FloatArray, count_U: FloatArray, class_U: IntArray) -> FloatArray:
    """Return the mean over classes of the weighted means of their units; units stand in the order of their class."""
    starts = np.flatnonzero(np.diff(class_U, prepend=-1))
    total_RC = np.add.reduceat(weight_RU * sum_U, starts, axis=1)
    count_RC = np.add.reduceat(weight_RU * count_U, starts, axis=1)
    means_R: FloatArray = (total_RC / count_RC).mean(axis=1)
    return means_R


def _resampled(sum_U: FloatArray, count_U: FloatArray, class_U: IntArray, seed: int, resamples: int) -> FloatArray:
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS // len(sum_U))
    bounds = np.flatnonzero(np.diff(class_U, prepend=-1, append=class_U[-1] + 1))
    means = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = [
            generator.multinomial(after - before, np.full(after - before, 1 / (after - before)), size=size)
            for before, after in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]
        means.append(_macro(np.concatenate(drawn, axis=1).astype(np.float64), sum_U, count_U, class_U))
    return np.concatenate(means)
