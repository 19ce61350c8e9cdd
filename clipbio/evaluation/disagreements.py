"""Specimens that one run has right and another wrong: what a difference looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.comparison import Aligned, aligned
from clipbio.evaluation.leaderboard import Leaderboard
from clipbio.evaluation.pictures import Album, Picture
from clipbio.seeding import rng

__all__ = ["Disagreement", "disagreements"]


@dataclass(frozen=True, slots=True)
class Specimen:
    """A specimen of which both runs have given an answer."""

    id: str
    species: str
    picture: Picture | None


@dataclass(frozen=True)
class Disagreement:
    """How many specimens `right` has right and `wrong` has wrong in a figure, and some of them, one per species."""

    key: str
    right: str
    wrong: str
    count: int
    shown: tuple[Specimen, ...]


def disagreements(board: Leaderboard, album: Album, *, limit: int, seed: int = 0) -> list[Disagreement]:
    """Return both sides of the first figure of right and wrong answers, of two runs that were compared in it.

    Args:
        board: The runs.
        album: Gives the pictures of specimens.
        limit: Specimens shown of each side; 0 for none.
        seed: Which ones are shown.
    """
    names = _compared(board)
    if not limit or names is None:
        return []
    key, one, other = names
    answers = {run.name: run.answers[key] for run in board.runs if key in run.answers}
    both = aligned(answers[one], answers[other])
    assert both is not None
    only_first_N = (both.first_N == 1) & (both.second_N == 0)
    only_second_N = (both.first_N == 0) & (both.second_N == 1)
    return [
        Disagreement(key, right, wrong, int(rows_N.sum()), _shown(both, rows_N, album, limit, seed))
        for right, wrong, rows_N in ((one, other, only_first_N), (other, one, only_second_N))
    ]


def _compared(board: Leaderboard) -> tuple[str, str, str] | None:
    """Return the first figure whose answers are right or wrong, and two runs that were compared in it."""
    for key in board.keys:
        for pair in board.pairs.values():
            if pair.key == key and pair.test == "McNemar":
                best = board.best(key)
                if best in (pair.first, pair.second) and best != pair.first:
                    return key, pair.second, pair.first
                return key, pair.first, pair.second
    return None


def _shown(both: Aligned, rows_N: NDArray[np.bool_], album: Album, limit: int, seed: int) -> tuple[Specimen, ...]:
    """Return random specimens, at most one per species, so that no species fills the gallery."""
    rows = rng("disagreements", seed).permutation(np.flatnonzero(rows_N)).tolist()
    first = {both.species[row]: row for row in reversed(rows)}
    return tuple(
        Specimen(both.ids[row], species, album.specimen(both.ids[row])) for species, row in list(first.items())[:limit]
    )
