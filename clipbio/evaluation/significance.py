"""Is one model better than another? Paired tests on answers to the same queries, and Holm's correction.

Shape suffixes: N queries, U units (species), S random signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

__all__ = ["holm", "is_binary", "mcnemar", "sign_flip"]

_EXACT_UNITS = 14
_CELLS = 1 << 22
# Sums of the same numbers in another order differ by rounding: they are one outcome.
_ROUNDING = 1e-12

FloatArray = NDArray[np.float64]


def is_binary(values_N: NDArray[Any]) -> bool:
    """Tell whether answers are right (1) or wrong (0) only."""
    return bool(np.isin(values_N, (0.0, 1.0)).all())


def mcnemar(first_N: NDArray[Any], second_N: NDArray[Any]) -> float:
    """Return the exact two-sided p-value of McNemar's test (https://doi.org/10.1007/BF02295996).

    Of the queries that one model has right and the other wrong, each model would have half if they were equally good.

    Raises:
        ValueError: Answers are not right or wrong.
    """
    if not (is_binary(first_N) and is_binary(second_N)):
        raise ValueError("McNemar's test is of right and wrong answers, not of scores")
    only_first = int(((first_N == 1) & (second_N == 0)).sum())
    only_second = int(((first_N == 0) & (second_N == 1)).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def sign_flip(
    gain_N: NDArray[Any], *, unit_N: NDArray[np.int64] | None = None, seed: int = 0, resamples: int = 10000
) -> float:
    """Return the two-sided p-value of the mean difference under random signs of the differences.

    Were the models equally good, each difference (or that of a whole species) might as well have the other sign. Up to
    14 differences that are not zero take all combinations of signs, more of them `resamples` random ones (with the
    observed one among them, so that p is never 0). Where none of these is as extreme, p is Hoeffding's bound if that is
    smaller.

    Args:
        gain_N: Difference of the answers per query.
        unit_N: What changes its sign together, such as the species; None is each query by itself.
        seed: Seed of the signs.
        resamples: Random signs.
    """
    number_N = np.arange(len(gain_N)) if unit_N is None else np.unique(unit_N, return_inverse=True)[1].reshape(-1)
    sum_U = np.bincount(number_N, weights=np.asarray(gain_N, np.float64))
    sum_U = sum_U[sum_U != 0]
    if not len(sum_U):
        return 1.0
    observed = abs(float(sum_U.sum())) - _ROUNDING * float(np.abs(sum_U).sum())
    if len(sum_U) <= _EXACT_UNITS:
        return float((np.abs(_all_sums(sum_U)) >= observed).mean())
    extreme = sum(int((np.abs(sums) >= observed).sum()) for sums in _random_sums(sum_U, seed, resamples))
    # Many pairs are corrected for: p must be able to lie below 1 / resamples.
    return min((extreme + 1) / (resamples + 1), 1.0 if extreme else _bound(sum_U))


def _bound(sum_U: FloatArray) -> float:
    """Return Hoeffding's bound of the p-value (https://doi.org/10.1080/01621459.1963.10500830)."""
    return float(2 * np.exp(-(sum_U.sum() ** 2) / (2 * (sum_U**2).sum())))


def _all_sums(sum_U: FloatArray) -> FloatArray:
    sums = np.zeros(1)
    for one in sum_U:
        sums = np.concatenate([sums + one, sums - one])
    return sums


def _random_sums(sum_U: FloatArray, seed: int, resamples: int) -> Sequence[FloatArray]:
    """Return sums under random signs; differences of one size are drawn together, as a binomial number."""
    sizes, alike = np.unique(np.abs(sum_U), return_counts=True)
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS // len(sizes))
    found = []
    for start in range(0, resamples, rows):
        positive_SK = generator.binomial(alike, 0.5, size=(min(rows, resamples - start), len(alike)))
        found.append((2 * positive_SK - alike) @ sizes)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method (https://www.jstor.org/stable/4615733)."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.ones(len(p_values))
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return [float(one) for one in corrected]
