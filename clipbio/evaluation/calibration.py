"""How far confidences are from the share of right answers.

Shape suffixes: N answers, B bins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.metrics import FloatArray

__all__ = ["Reliability", "reliability"]


class Reliability(NamedTuple):
    """Answers in bins of confidence: their number, mean confidence and share of right ones; empty bins are left out."""

    count_B: FloatArray
    confidence_B: FloatArray
    right_B: FloatArray

    @property
    def error(self) -> float:
        """Return the expected calibration error: the mean gap between confidence and accuracy, weighted by count."""
        gap_B = np.abs(self.confidence_B - self.right_B)
        return float((self.count_B * gap_B).sum() / max(1.0, self.count_B.sum()))


def reliability(
    confidence_N: FloatArray, right_N: NDArray[Any], *, bins: int = 15, equal_mass: bool = False
) -> Reliability:
    """Sort answers into bins by confidence.

    Args:
        confidence_N: Confidences in [0, 1].
        right_N: Whether the answer is right.
        bins: Number of bins.
        equal_mass: False: bins of equal width, open below and closed above (Guo et al. 2017,
            https://arxiv.org/abs/1706.04599); True: bins with the same number of answers, up to one (Nixon et al. 2019,
            https://arxiv.org/abs/1904.01685).
    """
    if equal_mass:
        number_N = np.empty(len(confidence_N), np.int64)
        order = np.argsort(confidence_N, kind="stable")
        number_N[order] = np.arange(len(order)) * bins // max(1, len(order))
    else:
        number_N = np.clip(np.ceil(confidence_N * bins).astype(np.int64) - 1, 0, bins - 1)
    count_B = np.bincount(number_N, minlength=bins).astype(np.float64)
    kept = count_B > 0
    sums = (np.bincount(number_N, weights=one.astype(np.float64), minlength=bins) for one in (confidence_N, right_N))
    confidence_B, right_B = (total[kept] / count_B[kept] for total in sums)
    return Reliability(count_B[kept], confidence_B, right_B)
