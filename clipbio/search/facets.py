"""What the specimens of an index can be narrowed by, with counts.

Shape suffixes: N specimen rows, K distinct lineages, C distinct values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.columns import NumberColumn, TextColumn, Where
from clipbio.search.filters import Columns, masks, several
from clipbio.search.traits import TRAIT, TraitFacet
from clipbio.taxonomy import RANKS

__all__ = ["MOST_CHARACTERS", "MOST_VALUES", "Facet", "facets", "trait_facets"]

Array = npt.NDArray[Any]

MOST_VALUES = 100
"""Columns that are no ranks and have more distinct values are no facets."""
MOST_CHARACTERS = 60
"""How many characters are facets, beside those that are filtered by."""
_NO_FACETS = ("id", "name")


@dataclass(frozen=True)
class Facet:
    """A column with the number of specimens of each value, most first; a column of numbers has its range instead."""

    column: str
    values: tuple[tuple[str, int], ...] = ()
    range: tuple[float, float] | None = None


def facets(columns: Columns, where: Where | None = None) -> list[Facet]:
    """Return the facets of the specimens that pass, ranks first; what nothing is known of is left out.

    The counts of a column leave its own condition aside, so that they tell what another choice would find.

    Raises:
        ClipbioError: As `clipbio.search.filters.masks` does.
    """
    conditions = masks(columns, where)
    everything_N = _all_but(columns, conditions, "")
    lineages_K = np.bincount(columns.lineage_N[everything_N], minlength=columns.lineages)
    found = []
    for name in columns:
        if name not in _NO_FACETS:
            own = name in conditions
            mask_N = _all_but(columns, conditions, name) if own else everything_N
            found.append(_facet(columns, name, mask_N, None if own else lineages_K))
    return [facet for facet in found if facet.values or facet.range]


def trait_facets(columns: Columns, where: Where | None = None, most: int = MOST_CHARACTERS) -> list[TraitFacet]:
    """Return the characters of which descriptions of the specimens that pass tell, the most widespread first.

    The counts of a character leave its own condition aside.

    Raises:
        ClipbioError: The index was made without traits, or as `clipbio.search.filters.masks` does.
    """
    traits = columns.traits
    mask_N = _all_but(columns, masks(columns, where), TRAIT)
    chosen = traits.by_character(several(TRAIT, where[TRAIT])) if where and TRAIT in where else {}
    if columns.sheets is None:
        count_G = np.bincount(columns.group_N[mask_N], minlength=traits.groups)
    else:
        count_G = columns.sheets.counts("group of texts", columns.group_N, traits.groups, mask_N)
    return traits.facets(count_G, chosen, most)


def _all_but(columns: Columns, conditions: dict[str, Array], column: str) -> Array:
    mask_N = columns.alive_N.copy()
    for name, condition_N in conditions.items():
        if name != column:
            mask_N &= condition_N
    return mask_N


def _facet(columns: Columns, name: str, mask_N: Array, lineages_K: Array | None) -> Facet:
    column = columns[name]
    if isinstance(column, NumberColumn):
        return Facet(name, range=column.range(mask_N))
    if name not in RANKS and len(column.values) > MOST_VALUES:
        return Facet(name)
    if columns.sheets is None:
        return Facet(name, _counted(column, column.counts_C(mask_N, lineages_K)))
    return Facet(name, _counted(column, columns.sheets.counts(name, column.code_N, len(column.values), mask_N)))


def _counted(column: TextColumn, counts_C: Array) -> tuple[tuple[str, int], ...]:
    values = column.values
    order = np.argsort(-counts_C, kind="stable")[: np.count_nonzero(counts_C)]
    return tuple((values[code], int(counts_C[code])) for code in order)
