"""How well captions tell the states of species that took no part in calibrating them.

Shape suffixes: N images, S states of one character, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.calibration import Answered, FloatArray, fit
from clipbio.characters.table import Character
from clipbio.seeding import derive_seed

__all__ = ["Captioned", "HeldOut", "held_out"]

_FOLDS = 5
# One-sided 95 %: how sure it has to be that images tell something about a character.
_SURE = 1.645


@dataclass(frozen=True)
class Captioned:
    """A character with its captions as vectors, and the images whose states are known."""

    character: Character
    wordings: tuple[tuple[str, ...], ...]
    vectors_SD: NDArray[np.float32]
    answered: Answered
    row_N: NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """A character as it is judged on images of species that took no part in fitting it.

    `row_N` are the rows of the images, of which `truth_NS` tells the states; `log_NS` are the logarithms of the
    probabilities, and `gained_NS` the evidence for each state (`Calibration.evidence`).
    """

    name: str
    row_N: NDArray[np.int64]
    truth_NS: NDArray[np.bool_]
    log_NS: FloatArray
    gained_NS: FloatArray
    gain: float
    visible: bool


def held_out(one: Captioned, species_N: NDArray[np.int64], scale: float, seed: int) -> HeldOut:
    """Predict each fifth of the species by what is fitted on the others."""
    own_N = species_N[one.row_N]
    fold_N = np.array([derive_seed("describe", "fold", seed, int(number)) % _FOLDS for number in own_N], np.int64)
    log_NS = np.zeros(one.answered.cosine_NS.shape)
    gained_NS = np.zeros_like(log_NS)
    for fold in np.unique(fold_N):
        fitted = fit(one.answered.take(fold_N != fold), log_scale=float(np.log(scale)))
        log_NS[fold_N == fold] = fitted.log_probabilities(one.answered.cosine_NS[fold_N == fold])
        gained_NS[fold_N == fold] = fitted.evidence(one.answered.cosine_NS[fold_N == fold])
    gain, visible = _gain(one.answered, log_NS, own_N)
    return HeldOut(one.character.name, one.row_N, one.answered.truth_NS, log_NS, gained_NS, gain, visible)


def _gain(answered: Answered, log_NS: FloatArray, species_N: NDArray[np.int64]) -> tuple[float, bool]:
    """Return how many nats better than frequencies the predictions are, and whether that is more than nothing."""
    if not len(answered):
        return 0.0, False
    among_NS = np.where(answered.truth_NS, 0.0, -np.inf)
    gain_N = np.logaddexp.reduce(log_NS + among_NS, axis=1) - np.logaddexp.reduce(
        np.log(answered.prior_S) + among_NS, axis=1
    )
    number_N = np.unique(species_N, return_inverse=True)[1].reshape(-1)
    gain_C = np.bincount(number_N, weights=gain_N) / np.bincount(number_N)
    error = float(gain_C.std(ddof=1) / np.sqrt(len(gain_C))) if len(gain_C) > 1 else np.inf
    gain = float(gain_C.mean())
    return gain, gain > _SURE * error
