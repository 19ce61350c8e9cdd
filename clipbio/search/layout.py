"""How specimens, groups, descriptions and sentences of an index hang together, as arrays.

Shape suffixes: N specimen rows, G groups, T descriptions, S sentences, X distinct taxa, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.folder import IndexFolder
from clipbio.search.fusion import segment_best
from clipbio.search.sheets import Sheets

__all__ = ["Layout"]

Array = npt.NDArray[Any]


class Layout:
    """What a search needs to know beside scores; each array is made when it is first asked for, and kept."""

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder
        self._texts = folder.texts
        self.groups = len(folder.texts.groups)
        self.descriptions = len(folder.texts.descriptions)

    @property
    def group_N(self) -> Array:
        """Return the group of each row."""
        return self._folder.group_N

    @property
    def sheets(self) -> Sheets | None:
        """Return which rows are one specimen, None where each is."""
        return self._folder.sheets

    @cached_property
    def unit_G(self) -> Array:
        """Return the unit of each group, whose images are taken together: its taxon, without one the group itself."""
        groups = self._texts.groups
        is_unnamed_X = np.array([taxon.is_empty for taxon in groups.taxa], bool)
        alone_G = len(groups.taxa) + np.arange(self.groups)
        return np.where(is_unnamed_X[groups.taxon_G], alone_G, groups.taxon_G)

    @cached_property
    def unit_N(self) -> Array:
        """Return the unit of each row."""
        return np.asarray(self.unit_G[self.group_N])

    @property
    def units(self) -> int:
        """Return how many units there may be, U."""
        return len(self._texts.groups.taxa) + self.groups

    @cached_property
    def species_N(self) -> Array:
        """Return what each row is shown under: its taxon and name (a label counts), the row itself without a name."""
        name_N, names = self._folder.rows.codes("name")
        key_N = self._folder.taxon_N.astype(np.int64) * len(names) + name_N
        nameless = name_N < 0
        key_N[nameless] = len(self._folder.taxa) * len(names) + np.flatnonzero(nameless)
        return np.unique(key_N, return_inverse=True)[1].astype(np.int32)

    @cached_property
    def rows_of_species(self) -> tuple[Array, Array]:
        """Return the rows species by species, each in ascending order, and where those of each begin."""
        counts = np.bincount(self.species_N)
        return np.argsort(self.species_N, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    def best_of_descriptions(self, score_S: Array) -> Array:
        """Return the best score of the sentences of each description (T,), minus infinity without sentences."""
        return segment_best(score_S, self._texts.sentences.offsets_T1)

    def best_of_groups(self, score_T: Array) -> Array:
        """Return the best score of the descriptions of each group (G,), minus infinity without descriptions."""
        groups = self._texts.groups
        return segment_best(score_T[groups.descriptions], groups.offsets_G1)

    def over_descriptions(self, count_G: Array) -> Array:
        """Return for each description the sum (T,) of the counts of the groups that it belongs to."""
        groups = self._texts.groups
        spread = np.repeat(count_G, np.diff(groups.offsets_G1))
        return np.bincount(groups.descriptions, spread, self.descriptions).astype(np.int64)

    def sentences_of(self, descriptions: Sequence[int]) -> Array:
        """Return the numbers of the sentences of some descriptions."""
        offsets = self._texts.sentences.offsets_T1
        ranges = [np.arange(offsets[text], offsets[text + 1]) for text in descriptions]
        return np.concatenate([np.empty(0, np.int64), *ranges])
