"""Thresholds that are chosen on predictions for species that took no part in fitting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.holding_out import HeldOut
from clipbio.characters.known import Known
from clipbio.characters.planted import plant
from clipbio.characters.table import CharacterTable, Told

__all__ = ["answer_threshold", "evidence_thresholds", "told_of_species"]

NEVER = 1.0
_NEVER_EVIDENCE = 50.0
_LEAST = math.log(2)


def answer_threshold(judged: Sequence[HeldOut], accuracy: float) -> float:
    """Return the lowest confidence from which on the wanted share of answers is right; 1 if there is none."""
    confidence = [np.exp(one.log_NS.max(axis=1)) for one in judged]
    right = [np.take_along_axis(one.truth_NS, one.log_NS.argmax(axis=1)[:, None], axis=1)[:, 0] for one in judged]
    if not judged:
        return NEVER
    return _lowest(np.concatenate(confidence), np.concatenate(right), accuracy, NEVER)


def evidence_thresholds(
    judged: Sequence[HeldOut], images: Known, table: CharacterTable, *, accuracy: float, seed: int
) -> tuple[float, float]:
    """Return from which score on a statement is supported, and down from which it is contradicted.

    They are the mildest ones at which the wanted share of the verdicts about true and planted statements is right; the
    odds have to change by a factor of two at least.
    """
    scores, true = [], []
    mean = {one.name: _means(one, images.species_N) for one in judged}
    for triple in plant(told_of_species(images), table, seed=seed):
        found = mean.get(triple.character, {}).get(triple.species)
        if found is not None:
            scores.append(found[table[triple.character].states.index(triple.state)])
            true.append(triple.true)
    score_N, true_N = np.array(scores), np.array(true, bool)
    for_N, against_N = score_N >= _LEAST, score_N <= -_LEAST
    return (
        _lowest(score_N[for_N], true_N[for_N], accuracy, _NEVER_EVIDENCE),
        -_lowest(-score_N[against_N], ~true_N[against_N], accuracy, _NEVER_EVIDENCE),
    )


def told_of_species(images: Known) -> list[Told]:
    """Return what is told of each species: the states that are told of any of its images."""
    found: list[dict[str, set[str]]] = [{} for _ in images.names]
    for place, told in zip(images.species_N.tolist(), images.told_N, strict=True):
        for name, states in told.items():
            found[place].setdefault(name, set()).update(states)
    return [{name: frozenset(states) for name, states in one.items()} for one in found]


def _means(one: HeldOut, species_N: NDArray[np.int64]) -> Mapping[int, NDArray[np.float64]]:
    own_N = species_N[one.row_N]
    return {int(place): one.gained_NS[own_N == place].mean(axis=0) for place in np.unique(own_N)}


def _lowest(score_N: NDArray[Any], right_N: NDArray[np.bool_], accuracy: float, never: float) -> float:
    """Return the lowest score at which the wanted share of what scores at least as high is right."""
    if not len(score_N):
        return never
    order_N = np.argsort(-score_N, kind="stable")
    share_N = np.cumsum(right_N[order_N]) / np.arange(1, len(order_N) + 1)
    # Equal scores are taken together.
    last_N = np.append(np.diff(score_N[order_N]) != 0, True)
    enough = np.flatnonzero((share_N >= accuracy) & last_N)
    return float(score_N[order_N[enough[-1]]]) if len(enough) else never
