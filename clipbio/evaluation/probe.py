"""A linear probe: how well one linear layer tells classes from frozen vectors, with few examples of each.

Shape suffixes: N specimens, M examples, V validation rows, Q queries, D dimensions, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.seeding import derive_seed

__all__ = ["STRENGTHS", "Probe", "Shots", "draw_shots", "fit_probe", "linear_probe", "logistic_regression"]

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


@dataclass(frozen=True)
class Probe:
    """A fitted layer, behind the mean and the scale of what it was fitted on; `strength` is the C that was chosen."""

    model: Any
    mean_D: FloatArray
    scale: float
    strength: float

    @property
    def classes(self) -> IntArray:
        """Return the classes in the order of the scores."""
        return np.asarray(self.model.classes_, np.int64)

    def predict(self, queries_QD: FloatArray) -> IntArray:
        """Return the class of each query."""
        return np.asarray(self.model.predict(self._inputs(queries_QD)), np.int64)

    def scores(self, queries_QD: FloatArray) -> FloatArray:
        """Return scores_QC, higher is better; of two classes too."""
        scores: FloatArray = self.model.decision_function(self._inputs(queries_QD))
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)

    def again(self, vectors_MD: FloatArray, class_M: IntArray) -> Probe:
        """Fit the same classes with the same strength on other examples, starting from what is known."""
        self.model.fit(self._inputs(vectors_MD), class_M)
        return self

    def _inputs(self, vectors_ND: FloatArray) -> FloatArray:
        scaled: FloatArray = ((vectors_ND - self.mean_D) / self.scale).astype(vectors_ND.dtype)
        return scaled


def fit_probe(
    fit_MD: FloatArray, class_M: IntArray, validation_VD: FloatArray, class_V: IntArray, *, seed: int = 0
) -> Probe:
    """Return a multinomial logistic regression, C being that of the highest accuracy on the validation rows.

    Vectors are centred, and scaled to a mean squared length of 1. Of equally accurate C it is the smallest; without
    validation rows it is 10. The strengths are fitted in ascending order, each from the last one's weights: the optimum
    is the same one, as the loss is convex, and found in a fraction of the steps. float32 vectors stay float32.
    """
    mean_D = fit_MD.mean(axis=0)
    scale = float(((fit_MD - mean_D) ** 2).sum(axis=1).mean() ** 0.5) or 1.0
    best, best_accuracy = None, -1.0
    model = None
    for strength in STRENGTHS if len(validation_VD) else (10.0,):
        model = logistic_regression(((fit_MD - mean_D) / scale).astype(fit_MD.dtype), class_M, strength, seed, model)
        probe = Probe(model, mean_D, scale, strength)
        accuracy = float((probe.predict(validation_VD) == class_V).mean()) if len(validation_VD) else 0.0
        if accuracy > best_accuracy:
            best, best_accuracy = Probe(copy.deepcopy(model), mean_D, scale, strength), accuracy
    assert best is not None
    return best


def linear_probe(
    vectors_ND: FloatArray, class_N: IntArray, shots: Shots, queries_QD: FloatArray, *, seed: int = 0
) -> tuple[IntArray, float]:
    """Return the class of each query by a probe of the examples (see `fit_probe`), and the C that was chosen."""
    fit, validation = shots.fit_M, shots.validation_M
    probe = fit_probe(vectors_ND[fit], class_N[fit], vectors_ND[validation], class_N[validation], seed=seed)
    return probe.predict(queries_QD), probe.strength


def logistic_regression(
    vectors_MD: FloatArray,
    class_M: IntArray,
    strength: float,
    seed: int = 0,
    start: Any = None,
    *,
    tolerance: float = 1e-6,
) -> Any:
    """Return scikit-learn's multinomial logistic regression, fitted.

    Args:
        vectors_MD: Examples.
        class_M: Their classes.
        strength: Inverse of the L2 penalty.
        seed: Seed of the solver.
        start: A model of the same classes to start from; it is changed and returned.
        tolerance: Largest component of the gradient, which is a mean over examples, at which the solver ends.
    """
    from sklearn.linear_model import LogisticRegression

    # The gradient is a mean over examples: with hundreds of classes it lies below the usual tolerance from the start,
    # and the solver would end where it begins.
    new = LogisticRegression(max_iter=1000, tol=tolerance, random_state=seed, warm_start=True)
    return (new if start is None else start).set_params(C=strength).fit(vectors_MD, class_M)
