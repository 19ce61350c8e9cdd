"""A linear probe per character: what frozen vectors tell where pictures of every state are at hand.

Shape suffixes: N images, M examples, D dimensions, S states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.known import Known
from clipbio.characters.table import Character
from clipbio.evaluation.probe import logistic_regression
from clipbio.evaluation.traits_heads import held_out

__all__ = ["StateProbe"]

_STRENGTHS = (0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class StateProbe:
    """A multinomial logistic regression behind mean and scale of its examples."""

    model: Any
    mean_D: NDArray[np.float32]
    scale: float

    @classmethod
    def fit(cls, character: Character, train: Known, *, seed: int) -> StateProbe:
        """Fit the states of a character on train images.

        An image of a species with several states is an example of each. C is the one of the highest accuracy on a
        fifth of the species, which the first fits leave out.
        """
        pairs = [
            (row, place)
            for row, told in enumerate(train.told_N)
            for place, state in enumerate(character.states)
            if state in told.get(character.name, frozenset())
        ]
        row_M, state_M = np.array(pairs, np.int64).reshape(-1, 2).T
        image_MD = train.image_ND[row_M]
        mean_D = image_MD.mean(axis=0)
        scale = float(((image_MD - mean_D) ** 2).sum(axis=1).mean() ** 0.5) or 1.0
        inputs_MD = (image_MD - mean_D) / scale
        held_M = held_out([train.names[train.species_N[row]] for row in row_M], seed=seed)
        strength = _chosen(inputs_MD, state_M, held_M)
        return cls(logistic_regression(inputs_MD, state_M, strength, tolerance=1e-4), mean_D, scale)

    def predict(self, image_ND: NDArray[Any]) -> NDArray[np.int64]:
        """Return the place of the most probable state of each image."""
        if not len(image_ND):
            return np.zeros(0, np.int64)
        return np.asarray(self.model.predict((image_ND - self.mean_D) / self.scale), np.int64)


def _chosen(inputs_MD: NDArray[Any], state_M: NDArray[np.int64], held_M: NDArray[np.bool_]) -> float:
    if not held_M.any() or len(np.unique(state_M[~held_M])) < 2:
        return 1.0
    best, best_accuracy, model = 1.0, -1.0, None
    for strength in _STRENGTHS:
        model = logistic_regression(inputs_MD[~held_M], state_M[~held_M], strength, start=model, tolerance=1e-4)
        found = float((model.predict(inputs_MD[held_M]) == state_M[held_M]).mean())
        if found > best_accuracy:
            best, best_accuracy = strength, found
    return best
