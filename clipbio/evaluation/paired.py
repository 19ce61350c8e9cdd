"""Two sets of answers to the same queries: accuracies and their difference, with intervals over what varies by itself.

Barcodes of one species are right or wrong together: an interval over single records would be far too narrow. So whole
species (or other units) are redrawn, and for a macro mean whole classes.

Shape suffixes: N queries, U units, R resamples.
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
    unit_N: IntArray | None = None,
    class_N: IntArray | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Estimate:
    """Return the mean of one value per query, or the mean over classes of their means.

    Args:
        values_N: One number per query: right or wrong, or a difference of two such.
        unit_N: What is redrawn together for the mean over queries, such as the species; None is each query by itself.
        class_N: The true class of each query for the macro mean; the classes are redrawn. None is no macro mean.
        seed: Seed of the interval.
        resamples: Resamples of the interval; 0 is no interval.

    Raises:
        ValueError: There are no queries.
    """
    if not len(values_N):
        raise ValueError("no queries: there is no accuracy")
    of_N = class_N if class_N is not None else np.arange(len(values_N)) if unit_N is None else unit_N
    number_N = np.unique(of_N, return_inverse=True)[1].reshape(-1)
    sum_U = np.bincount(number_N, weights=values_N.astype(np.float64)).astype(np.float64)
    count_U = np.bincount(number_N).astype(np.float64)
    if class_N is not None:
        sum_U, count_U = sum_U / count_U, np.ones_like(sum_U)
    n = len(values_N) if class_N is None else len(sum_U)
    value = float(sum_U.sum() / count_U.sum())
    if not resamples:
        return Estimate(value, None, n)
    return Estimate(value, percentiles(_resampled(sum_U, count_U, seed, resamples)), n)


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
        unit_N: What is redrawn together, see `accuracy`.
        macro: Average over the true answers' classes, which are redrawn, instead of over queries.
        seed: Seed of the interval.
        resamples: Resamples of the interval; 0 is no interval.

    Raises:
        ValueError: The answers are not to the same number of queries.
    """
    if not len(first_N) == len(second_N) == len(target_N):
        raise ValueError(f"answers do not match: {len(first_N)}, {len(second_N)} and {len(target_N)} queries")
    gain_N = (first_N == target_N).astype(np.float64) - (second_N == target_N)
    class_N = np.unique(target_N, return_inverse=True)[1].reshape(-1) if macro else None
    return accuracy(gain_N, unit_N=unit_N, class_N=class_N, seed=seed, resamples=resamples)


def _resampled(sum_U: FloatArray, count_U: FloatArray, seed: int, resamples: int) -> FloatArray:
    """Return the mean over queries of each resample of the units."""
    generator = np.random.default_rng(seed)
    rows, share_U = max(1, _CELLS // len(sum_U)), np.full(len(sum_U), 1 / len(sum_U))
    means = []
    for start in range(0, resamples, rows):
        drawn_RU = generator.multinomial(len(sum_U), share_U, size=min(rows, resamples - start))
        means.append((drawn_RU @ sum_U) / (drawn_RU @ count_U))
    return np.concatenate(means)
