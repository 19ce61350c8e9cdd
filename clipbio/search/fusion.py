"""Ranked lists from scores, and one order from several lists: on plain arrays, for the engine and for its benchmark.

Shape suffixes: N specimen rows, G groups (what is written about a specimen) or anything else that is ranked, V values
of segments that stand one behind the other, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.query import Engine

__all__ = [
    "CANDIDATES",
    "ENGINE_WEIGHTS",
    "LEXICAL",
    "LEXICAL_TRUST",
    "RANK_CONSTANT",
    "VECTOR_WEIGHT",
    "Ranked",
    "best_rows",
    "competition_ranks",
    "dense_ranks",
    "fuse",
    "mixed_scores",
    "rank_lists",
    "segment_best",
    "unit_means",
]

Array = npt.NDArray[Any]

RANK_CONSTANT = 10
"""What is added to a rank before it divides; 1 to 60 were tried on birds held out of the training split."""
CANDIDATES = 10_000
"""How many of the best take part in a list."""
VECTOR_WEIGHT = 10.0
"""What the list of a picture or barcode weighs where words stand beside it, and specimens are ranked one by one.

On birds held out of the training split (951 pictures of 16 species, 60 queries of a picture and a sentence, mAP) 10
gave .776 fused, 1 only .621: all specimens of the best species share the first place in each list of words, so that
less loses the picture (.695 alone).
"""
LEXICAL = frozenset({"description", "sentence"})
"""The lists of words, in which only what has a word of the query stands."""
LEXICAL_TRUST = 4.0
"""Times its best score: the weight of a list of words. A text of usual length that has all words once scores 0.4."""
_WEIGHTS = {"description": 1.0, "sentence": 1.0, "meaning": 1.0, "image": 0.25, "dna": 0.25}
_LISTS: Mapping[Engine, frozenset[str]] = {
    "fused": frozenset(_WEIGHTS),
    "vector": frozenset(_WEIGHTS) - LEXICAL,
    "lexical": LEXICAL,
}
ENGINE_WEIGHTS: Mapping[Engine, Mapping[str, float]] = MappingProxyType(
    {
        engine: MappingProxyType({name: weight for name, weight in _WEIGHTS.items() if name in names})
        for engine, names in _LISTS.items()
    }
)
"""The lists of each engine and their weights."""


@dataclass(frozen=True)
class Ranked:
    """A ranked list: `ranks_G` counts from 1, 0 stands for what is not in it."""

    name: str
    weight: float
    ranks_G: Array


def dense_ranks(scores_G: Array, takes_G: Array, limit: int = CANDIDATES) -> Array:
    """Return the dense ranks (G,) int32, from 1 for the highest score; equal scores share one, the next is one more.

    What does not take part, or lies below the best `limit`, has 0. Who equals the last of them is in as well.
    """
    places = _candidates(scores_G, takes_G, limit)
    ranks = np.zeros(len(scores_G), np.int32)
    if len(places):
        _, inverse = np.unique(-scores_G[places], return_inverse=True)
        ranks[places] = inverse + 1
    return ranks


def competition_ranks(scores_G: Array, takes_G: Array, limit: int = CANDIDATES) -> Array:
    """Return ranks as `dense_ranks` does, but one more than the number of those that score higher (1, 2, 2, 4)."""
    places = _candidates(scores_G, takes_G, limit)
    ranks = np.zeros(len(scores_G), np.int32)
    if len(places):
        values = scores_G[places]
        ranks[places] = len(values) - np.searchsorted(np.sort(values), values, side="right") + 1
    return ranks


def rank_lists(
    scores: Mapping[str, Array], passes_G: Array, engine: Engine, ranks: Callable[[Array, Array], Array] = dense_ranks
) -> list[Ranked]:
    """Return the ranked lists that an engine fuses, out of the scores by the name of their list.

    In a list of words what has no word of the query (a score of 0) does not stand; in the others, what has no finite
    score. `passes_G` tells what may be found at all; `ranks` is `dense_ranks` or `competition_ranks`.

    A list of words counts as much as its best entry has of the query: where that is only a common word of many, others
    know better. Scores of words are shares of the highest that the query can have, see `Lexicon`.
    """
    weights = ENGINE_WEIGHTS[engine]
    lists = []
    for name, weight in weights.items():
        if name in scores:
            values = scores[name]
            takes = (values > 0 if name in LEXICAL else np.isfinite(values)) & passes_G
            if name in LEXICAL:
                weight *= LEXICAL_TRUST * float(values.max(initial=0, where=takes))
            lists.append(Ranked(name, weight, ranks(values, takes)))
    return lists


def fuse(lists: Iterable[Ranked], size: int) -> Array:
    """Return the scores (G,) of weighted reciprocal rank fusion: the sum of weight / (10 + rank) over the lists.

    Cormack, Clarke and Buettcher, SIGIR 2009, with weights and a smaller constant. What no list ranks has 0.
    """
    score = np.zeros(size)
    for entry in lists:
        places = np.flatnonzero(entry.ranks_G)
        score[places] += entry.weight / (RANK_CONSTANT + entry.ranks_G[places])
    return score


def mixed_scores(scores: Sequence[Array], weights: Sequence[float], takes_N: Array) -> Array:
    """Return the weighted sum (N,) of several scores, each less its mean and in units of its deviation.

    Mean and deviation are those of the rows that take part. A single score stays as it is.
    """
    if len(scores) == 1:
        return scores[0]
    total_N = np.zeros(len(takes_N), np.float32)
    for score_N, weight in zip(scores, weights, strict=True):
        taken = score_N[takes_N].astype(np.float64)
        mean, deviation = (taken.mean(), taken.std()) if len(taken) else (0.0, 1.0)
        total_N += np.float32(weight) * ((score_N - np.float32(mean)) / np.float32(deviation or 1.0))
    return total_N


def segment_best(values_V: Array, offsets: Array) -> Array:
    """Return the highest value of each segment `offsets[i]:offsets[i + 1]`, minus infinity for an empty one."""
    best = np.full(len(offsets) - 1, -np.inf, np.float32)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    if len(filled):
        # Empty segments lie between filled ones without a value of their own, so the starts of the filled ones do.
        best[filled] = np.maximum.reduceat(values_V[: offsets[-1]], offsets[:-1][filled])
    return best


def unit_means(cosine_N: Array, unit_N: Array, takes_N: Array, units: int) -> Array:
    """Return the mean cosine (U,) of the rows of each unit that take part, NaN where none does."""
    count = np.bincount(unit_N, takes_N, units)
    total = np.bincount(unit_N, np.where(takes_N, cosine_N, 0), units)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count)


def best_rows(score_N: Array, own_N: Array | None, takes_N: Array, count: int | None = None) -> Array:
    """Return the numbers of the rows that take part, best first: by score, then by own score, then by number.

    With `count` only so many of the best are returned, which is much faster than the order of all.
    """
    rows = np.flatnonzero(takes_N)
    if count is not None and count < len(rows):
        rows = _cut(rows, score_N, own_N, count)
    keys = [-score_N[rows]] if own_N is None else [-own_N[rows], -score_N[rows]]
    return np.asarray(rows[np.lexsort(keys)][:count])


def _cut(rows: Array, score_N: Array, own_N: Array | None, count: int) -> Array:
    """Leave out what cannot be among the best `count`; the rows stay in the order of their numbers."""
    sure, tied = _around(rows, score_N[rows], count)
    if own_N is not None and len(sure) + len(tied) > count:
        better, tied = _around(tied, own_N[tied], count - len(sure))
        sure = np.concatenate([sure, better])
    return np.sort(np.concatenate([sure, tied[: count - len(sure)]]))


def _around(rows: Array, values: Array, count: int) -> tuple[Array, Array]:
    """Return the rows above the `count`-th highest value, and those that equal it."""
    if not count:
        return rows[:0], rows[:0]
    edge = _highest(values, count)
    return rows[values > edge], rows[values == edge]


def _candidates(scores_G: Array, takes_G: Array, limit: int) -> Array:
    places = np.flatnonzero(takes_G)
    if len(places) > limit:
        values = scores_G[places]
        places = places[values >= _highest(values, limit)]
    return places


def _highest(values: Array, count: int) -> Any:
    """Return the `count`-th highest value."""
    place = len(values) - count
    return np.partition(values, place)[place]
