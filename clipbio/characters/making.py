"""A describer is made: captions become vectors, which are calibrated with images of known species.

Shape suffixes: N images, S states of one character, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.calibration import Answered, fit_together
from clipbio.characters.choosing import answer_threshold, evidence_thresholds
from clipbio.characters.describer import Describer, Scored, Thresholds, Written
from clipbio.characters.holding_out import Captioned, held_out
from clipbio.characters.known import Known
from clipbio.characters.table import Character, CharacterTable
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.prompts import encode_unit
from clipbio.traits import captions

__all__ = ["make_describer"]


def make_describer(
    table: CharacterTable,
    images: Known,
    encode_text: EncodeText,
    *,
    accuracy: float = 0.8,
    written: Sequence[Written] = (),
    facts: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Describer:
    """Return a describer of the characters of a table.

    Temperatures and biases are fitted on the images. What is chosen by how well it does (whether a character is
    visible, the thresholds) is chosen on predictions for species that took no part in fitting, in five folds.

    Args:
        table: Characters and states.
        images: Images for calibration, of known species.
        encode_text: The model's texts to unit vectors.
        accuracy: The share of predictions, and of verdicts, that is to be right where they are given.
        written: Descriptions to be shown beside.
        facts: What is known of the model, kept with it.
        seed: Seed of folds and of planted statements.

    Raises:
        ClipbioError: There are no images.
    """
    if not len(images):
        raise ClipbioError(
            "there are no images to calibrate a describer with: give splits with images of known species"
        )
    captioned = _captioned(table, images, encode_text)
    calibrations, scale = fit_together([one.answered for one in captioned])
    judged = [held_out(one, images.species_N, scale, seed) for one in captioned]
    visible = [one for one in judged if one.visible]
    supported, contradicted = evidence_thresholds(visible, images, table, accuracy=accuracy, seed=seed)
    return Describer(
        tuple(
            Scored(one.character, one.wordings, one.vectors_SD, fitted, one.answered.prior_S, tried.gain, tried.visible)
            for one, fitted, tried in zip(captioned, calibrations, judged, strict=True)
        ),
        Thresholds(answer_threshold(visible, accuracy), supported, contradicted),
        tuple(written),
        encode_unit([one.text for one in written], encode_text).numpy() if written else np.zeros((0, 0), np.float32),
        {**(facts or {}), "scale": scale, "accuracy": accuracy, "calibrated_on": len(images)},
    )


def _captioned(table: CharacterTable, images: Known, encode_text: EncodeText) -> list[Captioned]:
    worded = [[captions(one.name, state) for state in one.states] for one in table.characters]
    texts = list(dict.fromkeys(text for one in worded for ways in one for text in ways))
    vectors = dict(zip(texts, encode_unit(texts, encode_text).numpy(), strict=True))
    found = []
    for character, ways in zip(table.characters, worded, strict=True):
        mean_SD = np.stack([np.mean([vectors[text] for text in one], axis=0) for one in ways])
        vectors_SD = (mean_SD / np.linalg.norm(mean_SD, axis=1, keepdims=True)).astype(np.float32)
        answered, row_N = _answered(character, images, vectors_SD)
        found.append(Captioned(character, tuple(ways), vectors_SD, answered, row_N))
    return found


def _answered(
    character: Character, images: Known, vectors_SD: NDArray[np.float32]
) -> tuple[Answered, NDArray[np.int64]]:
    """Return the images that have one of the states, and their rows; all take part in the mean cosines."""
    cosine_NS = (images.image_ND @ vectors_SD.T).astype(np.float64)
    told_N = [told.get(character.name, frozenset()) for told in images.told_N]
    truth_NS = np.array([[state in told for state in character.states] for told in told_N], bool)
    row_N = np.flatnonzero(truth_NS.any(axis=1))
    prior_S = np.array(character.species, np.float64) / sum(character.species)
    return Answered(cosine_NS[row_N], truth_NS[row_N], prior_S, cosine_NS.mean(axis=0)), row_N
