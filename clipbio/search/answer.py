"""From the order of one query to its hits.

Shape suffixes: N specimen rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.asking import Asked
from clipbio.search.folder import IndexFolder
from clipbio.search.hits import Hits
from clipbio.search.layout import Layout
from clipbio.search.ranking import Ranking
from clipbio.search.results import DescriptionHit, Passage, SpeciesHit, SpecimenHit
from clipbio.search.species import best_sheets

__all__ = ["SHEETS", "Answer"]

Array = npt.NDArray[Any]

SHEETS = 6
"""How many of its best sheets a species shows."""


class Answer:
    """Makes the hits of one query out of a ranking of rows or of descriptions; `first` is the place of the first."""

    def __init__(self, folder: IndexFolder, layout: Layout, asked: Asked, ranking: Ranking) -> None:
        self._folder, self._layout, self._asked, self._ranking = folder, layout, asked, ranking
        self._hits = Hits(folder, [part.words for part in asked.words])
        # The specimens of a group share what is written about them.
        self._passages: dict[int, Passage | None] = {}

    def specimens(self, rows: Array, first: int) -> Iterator[SpecimenHit]:
        """Yield rows as hits."""
        for rank, row in enumerate(rows.tolist(), first):
            score, places = float(self._ranking.score_E[row]), self._ranking.places(row)
            yield self._hits.specimen(row, rank, score, places, self._passage(int(self._layout.group_N[row])))

    def species(self, rows: Array, first: int, passes_N: Array) -> Iterator[SpeciesHit]:
        """Yield the species of rows, each with its best sheets and the number of its specimens that pass."""
        species_N = self._layout.species_N
        counts = np.bincount(species_N[self._folder.once(passes_N)], minlength=1)
        for rank, species in enumerate(species_N[rows].tolist(), first):
            sheets = best_sheets(self._ranking, self._layout, species, SHEETS)
            yield self._hits.species(rank, int(counts[species]), tuple(self.specimens(sheets, 1)))

    def descriptions(self, descriptions: Array, first: int, passes_N: Array) -> Iterator[DescriptionHit]:
        """Yield descriptions as hits, each with the number of specimens that bear it and pass."""
        counted_N = self._folder.once(passes_N)
        count_G = np.bincount(self._layout.group_N[counted_N], minlength=self._layout.groups)
        count_T = self._layout.over_descriptions(count_G)
        for rank, one in enumerate(descriptions.tolist(), first):
            yield self._hits.description(
                one,
                rank,
                float(self._ranking.score_E[one]),
                count=int(count_T[one]),
                lists=self._ranking.places(one),
                sentence=self._best_sentence([one]),
            )

    def _passage(self, group: int) -> Passage | None:
        if group not in self._passages:
            descriptions = self._folder.texts.groups.of(group)
            self._passages[group] = self._hits.passage(self._best_sentence(descriptions.tolist()))
        return self._passages[group]

    def _best_sentence(self, descriptions: Sequence[int]) -> int | None:
        """Return the best sentence for the first text part that one of the descriptions answers."""
        sentences = self._layout.sentences_of(descriptions)
        bests = (scores.best(sentences, self._asked.engine) for scores in self._ranking.sentences)
        return next((best for best in bests if best is not None), None)
