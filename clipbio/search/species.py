"""From an order of rows to one of species, or of sheets: each stands where its best row does.

Shape suffixes: N specimen rows, U species.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.fusion import best_rows
from clipbio.search.layout import Layout
from clipbio.search.ranking import Ranking

__all__ = ["best_sheets", "first_rows"]

Array = npt.NDArray[Any]


def first_rows(ranking: Ranking, rows_N: Array, begins: Array) -> Array:
    """Tell which rows (N,) are the best of their species.

    Args:
        ranking: The order of the rows.
        rows_N: Their numbers species by species, each in ascending order.
        begins: Where those of each species begin, and where all end.
    """
    species_N = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    stays_N = ranking.takes_E[rows_N]
    for values in (ranking.score_E, ranking.own_E):
        if values is not None and len(rows_N):
            values_N = np.where(stays_N, values[rows_N], -np.inf)
            stays_N &= values_N == np.maximum.reduceat(values_N, begins[:-1])[species_N]
    left = np.flatnonzero(stays_N)
    # Rows of a species are in ascending order, so the first that is left is the one with the lowest number.
    first = left[np.unique(species_N[left], return_index=True)[1]]
    is_first_N = np.zeros(len(rows_N), bool)
    is_first_N[rows_N[first]] = True
    return is_first_N


def best_sheets(ranking: Ranking, layout: Layout, species: int, count: int) -> Array:
    """Return the best rows of a species in order, of each sheet one."""
    rows_N, begins = layout.rows_of_species
    rows = rows_N[begins[species] : begins[species + 1]]
    own = None if ranking.own_E is None else ranking.own_E[rows]
    sheets = layout.sheets
    best = rows[best_rows(ranking.score_E[rows], own, ranking.takes_E[rows], count if sheets is None else None)]
    return np.asarray(best if sheets is None else sheets.first_of(best)[:count])
