"""A linear probe: how well one linear layer tells classes from frozen vectors, with few examples of each.

Shape suffixes: N specimens, M examples, Q queries, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.seeding import derive_seed

__all__ = ["STRENGTHS", "Shots", "draw_shots", "linear_probe", "logistic_regression"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating[Any]]

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Values of C (inverse of the L2 penalty) that are tried, for vectors with a mean squared length of 1."""

_VALIDATION_SHARE = 5


@dataclass(frozen=True)
class Shots:
    """Rows that a probe is fitted on, and rows of the same classes on which C is chosen."""

    fit_M: IntArray
    validation_M: IntArray


def draw_shots(class_N: IntArray, units: Sequence[str], *, shots: int | None, seed: int) -> Shots:
    """Draw examples of each class; of the copies of a unit (one barcode) only one is taken.

    The draw follows the hashes of the units, whatever the order of the rows.

    The first `shots` units of a class are fitted on, at most as many others choose C. A class with fewer gives what
    it has. With None all units are examples, but for every fifth, which chooses C (of classes with five or more).

    Args:
        class_N: Class of each specimen, -1 for one that has none.
        units: Its barcode.
        shots: Examples per class.
        seed: Another seed draws others.
    """
    number = {unit: derive_seed("probe", seed, unit) for unit in set(units)}
    unit_N = np.array([number[unit] for unit in units], np.int64)
    order = np.argsort(unit_N, kind="stable")
    order = order[class_N[order] >= 0]
    first = np.unique(np.stack([class_N[order], unit_N[order]]), axis=1, return_index=True)[1]
    rows = order[np.sort(first)]
    rows = rows[np.argsort(class_N[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(class_N[rows], prepend=-1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    if shots is None:
        chooses = place % _VALIDATION_SHARE == _VALIDATION_SHARE - 1
        return Shots(rows[~chooses], rows[chooses])
    return Shots(rows[place < shots], rows[(place >= shots) & (place < 2 * shots)])


def linear_probe(
    vectors_ND: FloatArray, class_N: IntArray, shots: Shots, queries_QD: FloatArray, *, seed: int = 0
) -> tuple[IntArray, float]:
    """Return the class of each query by multinomial logistic regression, and the C that was chosen.

    Vectors are centred, and scaled to a mean squared length of 1. C has the highest accuracy on the validation rows,
    the smaller one of equals; without validation rows it is 10.
    """
    mean_D = vectors_ND[shots.fit_M].mean(axis=0)
    scale = float(((vectors_ND[shots.fit_M] - mean_D) ** 2).sum(axis=1).mean() ** 0.5) or 1.0
    fit_MD, validation_MD = ((vectors_ND[rows] - mean_D) / scale for rows in (shots.fit_M, shots.validation_M))
    best, best_accuracy = None, -1.0
    for strength in STRENGTHS if len(validation_MD) else (10.0,):
        model = logistic_regression(fit_MD, class_N[shots.fit_M], strength, seed)
        right = model.predict(validation_MD) == class_N[shots.validation_M] if len(validation_MD) else np.ones(1)
        if float(right.mean()) > best_accuracy:
            best, best_accuracy = model, float(right.mean())
    assert best is not None
    predicted_Q: IntArray = best.predict((queries_QD - mean_D) / scale)
    return predicted_Q, float(best.C)


def logistic_regression(vectors_MD: FloatArray, class_M: IntArray, strength: float, seed: int = 0) -> Any:
    """Return scikit-learn's multinomial logistic regression, fitted.

    Args:
        vectors_MD: Examples.
        class_M: Their classes.
        strength: Inverse of the L2 penalty.
        seed: Seed of the solver.
    """
    from sklearn.linear_model import LogisticRegression

    # The gradient is a mean over examples: with hundreds of classes it lies below the usual tolerance from the start,
    # and the solver would end where it begins.
    return LogisticRegression(C=strength, max_iter=1000, tol=1e-6, random_state=seed).fit(vectors_MD, class_M)
