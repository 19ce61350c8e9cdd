"""What the specimens of an index can be narrowed by, with counts.

Shape suffixes: N specimen rows, K distinct lineages, C distinct values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.columns import NumberColumn, TextColumn, Where
from clipbio.search.filters import Columns, masks
from clipbio.taxonomy import RANKS

__all__ = ["MOST_VALUES", "Facet", "facets"]

Array = npt.NDArray[Any]

MOST_VALUES = 100
"""Columns that are no ranks and have more distinct values are no facets."""
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
    return Facet(name, _counted(column, column.counts_C(mask_N, lineages_K)))


def _counted(column: TextColumn, counts_C: Array) -> tuple[tuple[str, int], ...]:
    values = column.values
    order = np.argsort(-counts_C, kind="stable")[: np.count_nonzero(counts_C)]
    return tuple((values[code], int(counts_C[code])) for code in order)
