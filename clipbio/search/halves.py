"""What is written about species, cut in two: one half is searched, the sentences of the other half are the queries.

Shape suffixes: C species, S sentences, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipbio.evaluation.embeddings import Candidate, Candidates
from clipbio.seeding import derive_seed, rng
from clipbio.sentences import split_sentences

__all__ = ["Halves"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Halves:
    """Sentences of species, of each of which one half is searched; the order is that of the species.

    `class_S` and `class_Q` are the places of their species among the candidates.
    """

    sentences: tuple[str, ...]
    class_S: IntArray
    queries: tuple[str, ...]
    class_Q: IntArray

    @classmethod
    def cut(cls, candidates: Candidates, *, seed: int, most_queries: int) -> Halves:
        """Cut the distinct sentences of each species in two, the smaller half being the queries.

        Who the other species are changes nothing about a species. A species with one sentence is searched and never
        asked for.

        Args:
            candidates: Species with their descriptions.
            seed: Another one gives other halves.
            most_queries: More queries than these are drawn from, by the seed.
        """
        searched: list[tuple[int, str]] = []
        asked: list[tuple[int, str]] = []
        for place, candidate in enumerate(candidates):
            distinct = _sentences(candidate)
            order = rng("search", "halves", candidate.key, seed).permutation(len(distinct)).tolist()
            half = len(distinct) // 2
            asked += [(place, distinct[row]) for row in order[:half]]
            searched += [(place, distinct[row]) for row in order[half:]]
        if len(asked) > most_queries:
            drawn = rng("search", "queries", seed).choice(len(asked), most_queries, replace=False)
            asked = [asked[row] for row in sorted(drawn.tolist())]
        return cls(*_columns(searched), *_columns(asked))


def _sentences(candidate: Candidate) -> list[str]:
    """Return the distinct sentences of a species, in an order that does not depend on that of its descriptions."""
    found = dict.fromkeys(one for text in candidate.descriptions for one in split_sentences(text))
    return sorted(found, key=lambda one: derive_seed("sentence", one))


def _columns(pairs: Iterable[tuple[int, str]]) -> tuple[tuple[str, ...], IntArray]:
    rows = list(pairs)
    return tuple(text for _, text in rows), np.array([place for place, _ in rows], np.int64)
