"""The area under the ROC curve of statements, with an interval over redrawn species.

Shape suffixes: N statements, C species, R resamples, U distinct scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.metrics import Interval, percentiles

__all__ = ["auroc", "auroc_interval"]

IntArray = NDArray[np.int64]


def auroc(score_N: NDArray[Any], true_N: NDArray[np.bool_]) -> float | None:
    """Return the chance that a true statement scores above a false one, equal scores counting half.

    None without a true or without a false one.
    """
    found = _area(_places(score_N), true_N, np.ones(len(score_N)))
    return None if np.isnan(found) else found


def auroc_interval(
    score_N: NDArray[Any], true_N: NDArray[np.bool_], species_N: IntArray, *, seed: int, resamples: int
) -> Interval | None:
    """Return the 95 % bootstrap interval when whole species are redrawn; None with fewer than two."""
    number_N = np.unique(species_N, return_inverse=True)[1].reshape(-1)
    species, place_N = int(number_N.max(initial=-1)) + 1, _places(score_N)
    if species < 2 or not resamples:
        return None
    drawn_RC = np.random.default_rng(seed).multinomial(species, np.full(species, 1 / species), size=resamples)
    area_R = np.array([_area(place_N, true_N, drawn_C[number_N]) for drawn_C in drawn_RC])
    known_R = area_R[~np.isnan(area_R)]
    return percentiles(known_R) if len(known_R) else None


def _places(score_N: NDArray[Any]) -> IntArray:
    return np.unique(score_N, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _area(place_N: IntArray, true_N: NDArray[np.bool_], weight_N: NDArray[Any]) -> float:
    count = int(place_N.max(initial=-1)) + 1
    true_U = np.bincount(place_N, weights=weight_N * true_N, minlength=count)
    false_U = np.bincount(place_N, weights=weight_N * ~true_N, minlength=count)
    pairs = true_U.sum() * false_U.sum()
    below_U = np.cumsum(false_U) - false_U / 2
    return float((true_U * below_U).sum() / pairs) if pairs else float("nan")
