"""How well a score tells queries that have a key (known) from those that have none: curves, areas, thresholds.

A query is accepted if its score is at least the threshold. All figures are exact under ties: queries of one score are
accepted together, and a known and an unknown query of one score count half.

Shape suffixes: N known queries, M unknown queries, U distinct scores in descending order, B resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.metrics import FloatArray, Interval, percentiles

__all__ = ["Counts", "best_threshold", "count_scores", "keeping_threshold", "open_figures", "open_intervals", "rates"]

_CHUNK = 1 << 22


class Counts(NamedTuple):
    """Queries at each distinct score: known ones placed right, known ones placed wrong, unknown ones."""

    score_U: FloatArray
    right_U: FloatArray
    wrong_U: FloatArray
    unknown_U: FloatArray


def count_scores(known_N: FloatArray, right_N: NDArray[np.bool_], unknown_M: FloatArray) -> Counts:
    """Count the queries at each distinct score, the highest score first."""
    score, place = np.unique(np.concatenate([known_N, unknown_M]), return_inverse=True)
    known, unknown = place[: len(known_N)], place[len(known_N) :]
    parts = (known[right_N], known[~right_N], unknown)
    right, wrong, other = (np.bincount(part, minlength=len(score)).astype(np.float64)[::-1] for part in parts)
    return Counts(score[::-1], right, wrong, other)


def rates(counts: Counts) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the shares accepted from the strictest to the loosest threshold, each starting at 0: U + 1 points.

    Known queries accepted, known queries accepted and placed right (the CCR of OSCR), unknown queries accepted.
    """
    known = counts.right_U + counts.wrong_U

    def share(number_U: FloatArray, total: float) -> FloatArray:
        return np.concatenate([[0.0], number_U.cumsum()]) / max(total, 1.0)

    return (
        share(known, known.sum()),
        share(counts.right_U, known.sum()),
        share(counts.unknown_U, counts.unknown_U.sum()),
    )


def open_figures(counts: Counts, *, kept: float = 0.95) -> dict[str, float]:
    """Return `auroc`, `oscr` and `fpr95` of at least one known and one unknown query.

    `auroc` is the chance that a known query scores above an unknown one. `oscr` is the area under the share of known
    queries accepted and placed right against the share of unknown queries accepted (Dhamija et al. 2018). `fpr95` is
    the share of unknown queries accepted by the highest threshold that accepts `kept` of the known ones: known is
    positive, and nothing is interpolated (Hendrycks & Gimpel 2017 report the same areas).
    """
    columns = (column[None] for column in counts[1:])
    return {name: float(values[0]) for name, values in _figures(*columns, kept=kept).items()}


def _figures(
    right_BU: FloatArray, wrong_BU: FloatArray, unknown_BU: FloatArray, *, kept: float
) -> dict[str, FloatArray]:
    known_BU = right_BU + wrong_BU
    pairs_B = known_BU.sum(axis=1) * unknown_BU.sum(axis=1)

    def area(number_BU: FloatArray) -> FloatArray:
        # The trapezoids between thresholds: unknown queries below count whole, those of the same score half.
        ahead_BU = number_BU.cumsum(axis=1) - number_BU / 2
        found_B: FloatArray = (ahead_BU * unknown_BU).sum(axis=1) / pairs_B
        return found_B

    accepted_BU = known_BU.cumsum(axis=1)
    enough_BU = accepted_BU >= kept * accepted_BU[:, -1:] - 1e-9
    place_B1 = enough_BU.argmax(axis=1)[:, None]
    unknown_B1 = np.take_along_axis(unknown_BU.cumsum(axis=1), place_B1, axis=1)
    return {
        "auroc": area(known_BU),
        "oscr": area(right_BU),
        "fpr95": unknown_B1[:, 0] / unknown_BU.sum(axis=1),
    }


def open_intervals(counts: Counts, *, seed: int, resamples: int, kept: float = 0.95) -> Mapping[str, Interval]:
    """Return the 95 % bootstrap intervals of `open_figures`; known and unknown queries are redrawn apart."""
    generator = np.random.default_rng(seed)
    known = np.concatenate([counts.right_U, counts.wrong_U]).astype(np.int64)
    unknown = counts.unknown_U.astype(np.int64)
    rows = max(1, _CHUNK // len(known))
    parts: dict[str, list[FloatArray]] = {}
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        known_drawn = generator.multinomial(known.sum(), known / known.sum(), size=size).astype(np.float64)
        unknown_drawn = generator.multinomial(unknown.sum(), unknown / unknown.sum(), size=size).astype(np.float64)
        right, wrong = np.split(known_drawn, 2, axis=1)
        for name, values in _figures(right, wrong, unknown_drawn, kept=kept).items():
            parts.setdefault(name, []).append(values)
    return {name: percentiles(np.concatenate(values)) for name, values in parts.items()}


def best_threshold(counts: Counts) -> float:
    """Return the threshold with the highest mean of known queries accepted and right, and unknown queries rejected.

    Of equally good thresholds the highest; infinity rejects everything.
    """
    _, right, unknown = rates(counts)
    return float(np.concatenate([[math.inf], counts.score_U])[np.argmax(right + 1 - unknown)])


def keeping_threshold(known_N: FloatArray, *, kept: float = 0.95) -> float:
    """Return the highest threshold that accepts at least the share `kept` of the known queries."""
    needed = max(1, math.ceil(kept * len(known_N) - 1e-9))
    return float(np.sort(known_N)[::-1][needed - 1])
