"""From the vector of an image to the states of characters that it shows, with how sure that is.

Shape suffixes: N images, S states of one character, D dimensions, T texts, K nearest ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.calibration import Calibration, FloatArray
from clipbio.characters.table import Character
from clipbio.errors import ClipbioError

__all__ = ["Describer", "Nearest", "Prediction", "Scored", "Thresholds", "Verdict", "Written"]

Array = NDArray[Any]
Verdict = Literal["supported", "contradicted", "not visible"]


@dataclass(frozen=True)
class Scored:
    """A character whose states have captions, as vectors, and a calibration.

    Args:
        character: The character.
        captions: The wordings of each state.
        vectors_SD: The unit mean of the vectors of the wordings of each state.
        calibration: From cosines to probabilities.
        prior_S: How frequent states are, in shares.
        gain: What an image of a species that took no part in fitting tells about the character on average, in nats.
        visible: Whether that is more than nothing; what pictures do not tell is never answered.
    """

    character: Character
    captions: tuple[tuple[str, ...], ...]
    vectors_SD: Array
    calibration: Calibration
    prior_S: FloatArray
    gain: float
    visible: bool

    def log_probabilities(self, image_ND: Array) -> FloatArray:
        """Return the logarithms of the probabilities of the states for unit vectors of images."""
        return self.calibration.log_probabilities(image_ND @ self.vectors_SD.T)

    def evidence(self, image_ND: Array) -> FloatArray:
        """Return how much each image speaks for each state, in nats (`Calibration.evidence`)."""
        return self.calibration.evidence(image_ND @ self.vectors_SD.T)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable state of a character in an image.

    Args:
        character: The character.
        state: The most probable state.
        confidence: How probable it is.
        alternatives: The other states with their probabilities, the most probable one first.
        answered: Whether it is sure enough to be told; else the character is not visible.
    """

    character: str
    state: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    answered: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A real description, and the species that it is about."""

    species: str
    text: str


@dataclass(frozen=True, slots=True)
class Nearest:
    """A real description that is near an image."""

    written: Written
    cosine: float


@dataclass(frozen=True)
class Thresholds:
    """What was chosen on validation.

    Args:
        answer: Predictions below this confidence are not told.
        supported: A triple with at least this evidence, in nats, is supported.
        contradicted: A triple with at most this evidence is contradicted.
    """

    answer: float
    supported: float
    contradicted: float

    def verdict(self, score: float) -> Verdict:
        """Return what a score, in nats, says about a statement."""
        if score >= self.supported:
            return "supported"
        return "contradicted" if score <= self.contradicted else "not visible"


@dataclass(frozen=True)
class Describer:
    """Characters, the captions of their states as vectors, and the calibration of both.

    Args:
        characters: What is told about an image.
        thresholds: When it is.
        written: Descriptions of species, to be shown beside.
        written_TD: Their unit vectors.
        facts: The model (`model`, `projection`, `image_tower`, `text_tower`), and how characters were made and
            calibrated.
    """

    characters: tuple[Scored, ...]
    thresholds: Thresholds
    written: tuple[Written, ...]
    written_TD: Array
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Scored]:
        """Return the characters by their names."""
        return {one.character.name: one for one in self.characters}

    @property
    def dim(self) -> int:
        """Return the length of the vectors."""
        return int(self.characters[0].vectors_SD.shape[1])

    def predict(self, image_ND: Array) -> list[list[Prediction]]:
        """Return for each image the most probable state of each character, the surest one first.

        Args:
            image_ND: Unit vectors.

        Raises:
            ClipbioError: They are those of another model.
        """
        self.check_dim(image_ND)
        columns = [self._column(one, image_ND) for one in self.characters]
        rows = (list(row) for row in zip(*columns, strict=True))
        return [sorted(row, key=lambda one: (not one.answered, -one.confidence)) for row in rows]

    def nearest(self, image_ND: Array, count: int) -> list[list[Nearest]]:
        """Return for each image the descriptions whose vectors are nearest, one of each species."""
        self.check_dim(image_ND)
        found = []
        for cosine_T in image_ND @ self.written_TD.T if len(self.written) else np.zeros((len(image_ND), 0)):
            best: dict[str, Nearest] = {}
            for row in np.argsort(-cosine_T, kind="stable").tolist():
                if len(best) == count:
                    break
                best.setdefault(self.written[row].species, Nearest(self.written[row], float(cosine_T[row])))
            found.append(list(best.values()))
        return found

    def check_dim(self, image_ND: Array) -> None:
        """Refuse vectors of another length.

        Raises:
            ClipbioError: They have one.
        """
        if image_ND.ndim != 2 or image_ND.shape[1] != self.dim:
            raise ClipbioError(
                f"the describer has vectors of {self.dim} dimensions, the images have the shape {image_ND.shape}: "
                "they come from another model"
            )

    def _column(self, one: Scored, image_ND: Array) -> list[Prediction]:
        share_NS = np.exp(one.log_probabilities(image_ND))
        order_NS = np.argsort(-share_NS, axis=1, kind="stable")
        found = []
        for share_S, order_S in zip(share_NS, order_NS.tolist(), strict=True):
            ranked = [(one.character.states[place], float(share_S[place])) for place in order_S]
            (state, confidence), *others = ranked
            answered = one.visible and confidence >= self.thresholds.answer
            found.append(Prediction(one.character.name, state, confidence, tuple(others), answered))
        return found
