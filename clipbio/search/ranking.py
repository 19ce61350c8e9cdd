"""The order of specimens and of descriptions for a query.

Shape suffixes: N specimen rows, G groups, T descriptions, E entries that are ranked (rows or descriptions), D
dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError
from clipbio.search.asking import Asked, AskedWords
from clipbio.search.exact import cosines_N
from clipbio.search.folder import IndexFolder
from clipbio.search.fusion import (
    VECTOR_WEIGHT,
    Ranked,
    best_rows,
    competition_ranks,
    fuse,
    mixed_scores,
    rank_lists,
    unit_means,
)
from clipbio.search.layout import Layout
from clipbio.search.word_lists import SentenceScores, WordLists

__all__ = ["WORDS", "Ranker", "Ranking"]

Array = npt.NDArray[Any]

WORDS = "words"
"""Name of the list of the cosines of words with images (or barcodes) where that of a picture has the name `image`."""


@dataclass(frozen=True)
class Ranking:
    """The order of entries: by score, then by own score, then by number.

    `lists` are what the score comes from, each with the place in it that an entry has (None: its own number), and
    `sentences` those of each text part. `known_k` are the best entries in order where only these are known.
    """

    score_E: Array
    own_E: Array | None
    takes_E: Array
    lists: Sequence[Ranked] = ()
    key_E: Array | None = None
    sentences: Sequence[SentenceScores] = ()
    known_k: Array | None = None

    @property
    def total(self) -> int:
        """Return how many entries there are."""
        return int(np.count_nonzero(self.takes_E))

    def best(self, count: int | None = None) -> Array:
        """Return the numbers of the best entries in order."""
        if self.known_k is not None:
            return self.known_k[:count]
        return best_rows(self.score_E, self.own_E, self.takes_E, count)

    def places(self, entry: int) -> dict[str, int]:
        """Return the place of an entry in each list that ranks it; of lists of one name the better place."""
        places: dict[str, int] = {}
        for ranked in self.lists:
            place = int(ranked.ranks_G[entry if self.key_E is None else self.key_E[entry]])
            if place:
                places[ranked.name] = min(place, places.get(ranked.name, place))
        return places


class Ranker:
    """Ranks what an index holds; may be used by several threads at once."""

    def __init__(self, folder: IndexFolder, layout: Layout, lists: WordLists) -> None:
        self._folder, self._layout, self._lists = folder, layout, lists

    def specimens(self, asked: Asked, passes_N: Array) -> Ranking:
        """Rank the specimens that pass: by their groups for words alone, else one by one.

        Raises:
            ClipbioError: There is a vector in the query, and specimens have none.
        """
        passes_N = passes_N.copy()
        passes_N[list(asked.itself)] = False
        if asked.uses_words and any(part.words.phrases or part.words.negative for part in asked.words):
            allowed_G = np.logical_and.reduce([self._lists.groups_allowed(part) for part in asked.words])
            passes_N &= allowed_G[self._layout.group_N]
        return self._one_by_one(asked, passes_N) if asked.vectors else self._by_group(asked, passes_N)

    def descriptions(self, asked: Asked, passes_N: Array) -> Ranking:
        """Rank the descriptions of the specimens that pass.

        Raises:
            ClipbioError: There is a vector in the query, and sentences have none.
        """
        count_G = np.bincount(self._layout.group_N[passes_N], minlength=self._layout.groups)
        passes_T = self._layout.over_descriptions(count_G) > 0
        for part in asked.words if asked.uses_words else ():
            passes_T &= self._lists.descriptions_allowed(part)
        lists, own_T = [], None
        if asked.vectors:
            own_T = self._lists.by_vectors([(part.vector_D, part.weight) for part in asked.vectors])
            takes_T = passes_T & np.isfinite(own_T)
            if not asked.words:
                return Ranking(own_T, None, takes_T)
            lists = [_of_vectors(asked, own_T, takes_T, 1.0)]
        sentences = [self._lists.sentences(part, asked.engine) for part in asked.words]
        for part, scores in zip(asked.words, sentences, strict=True):
            found = self._lists.of_descriptions(scores)
            lists += _weighted(rank_lists(found, passes_T, asked.engine), part.weight)
            own_T = self._lists.own(scores) if own_T is None else own_T
        score_T = fuse(lists, len(passes_T))
        return Ranking(score_T, own_T, _matches(asked, score_T, passes_T), lists, None, sentences)

    def _by_group(self, asked: Asked, passes_N: Array) -> Ranking:
        group_N = self._layout.group_N
        passes_G = np.zeros(self._layout.groups, bool)
        passes_G[group_N[passes_N]] = True
        sentences = [self._lists.sentences(part, asked.engine) for part in asked.words]
        lists: list[Ranked] = []
        own_N: Array | None = None
        for part, scores in zip(asked.words, sentences, strict=True):
            found, cosine_N = self._group_scores(asked, part, scores, passes_N)
            lists += _weighted(rank_lists(found, passes_G, asked.engine), part.weight)
            if cosine_N is not None:
                own_N = part.weight * cosine_N if own_N is None else own_N + part.weight * cosine_N
        score_N = fuse(lists, len(passes_G))[group_N]
        return Ranking(score_N, own_N, _matches(asked, score_N, passes_N), lists, group_N, sentences)

    def _one_by_one(self, asked: Asked, passes_N: Array) -> Ranking:
        group_N = self._layout.group_N
        cosines = [self._cosines(asked, part.vector_D, passes_N) for part in asked.vectors]
        takes_N = passes_N & np.isfinite(cosines[0])
        vector_N = mixed_scores(cosines, [part.weight for part in asked.vectors], takes_N)
        lists = [_of_vectors(asked, vector_N, takes_N, VECTOR_WEIGHT)]
        if not asked.words:
            return Ranking(vector_N, None, takes_N, lists)
        sentences = [self._lists.sentences(part, asked.engine) for part in asked.words]
        for part, scores in zip(asked.words, sentences, strict=True):
            found = self._group_scores(asked, part, scores, passes_N)[0]
            spread = {name: values_G[group_N] for name, values_G in found.items()}
            ranked = rank_lists(spread, passes_N, asked.engine, competition_ranks)
            ranked = [replace(entry, name=WORDS) if entry.name == asked.key else entry for entry in ranked]
            lists += _weighted(ranked, part.weight)
        return Ranking(fuse(lists, len(passes_N)), vector_N, passes_N, lists, None, sentences)

    def _group_scores(
        self, asked: Asked, part: AskedWords, sentences: SentenceScores, passes_N: Array
    ) -> tuple[dict[str, Array], Array | None]:
        """Return the scores (G,) of all lists of a text part, and its cosine with each row if that takes part."""
        scores = self._lists.of_groups(part, sentences)
        if part.vector_D is None or asked.key is None:
            return scores, None
        layout = self._layout
        cosine_N = self._cosines(asked, part.vector_D, passes_N)
        takes_N = passes_N & np.isfinite(cosine_N)
        scores[asked.key] = unit_means(cosine_N, layout.unit_N, takes_N, layout.units)[layout.unit_G]
        return scores, cosine_N

    def _cosines(self, asked: Asked, vector_D: Array, passes_N: Array) -> Array:
        vectors = self._folder.vectors(asked.key) if asked.key else None
        if vectors is None:
            raise ClipbioError("no specimen of the index has a vector: ask with words, or show descriptions")
        return cosines_N(vectors, vector_D, passes_N)


def _of_vectors(asked: Asked, score_E: Array, takes_E: Array, weight: float) -> Ranked:
    weight *= sum(part.weight for part in asked.vectors)
    return Ranked(asked.key or "image", weight, competition_ranks(score_E, takes_E))


def _weighted(lists: Sequence[Ranked], weight: float) -> list[Ranked]:
    return [replace(entry, weight=entry.weight * weight) for entry in lists]


def _matches(asked: Asked, score_E: Array, passes_E: Array) -> Array:
    """Tell what is found: with words alone only what has one of them, else all that passes."""
    only_matches = asked.engine == "lexical" and not asked.vectors and not asked.is_negation
    return passes_E & (score_E > 0) if only_matches else passes_E
