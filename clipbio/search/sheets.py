"""Views of one sheet: rows whose metadata `view_of` name the row that they show a part of, such as crops of organs.

A sheet and its views are one specimen: they are found and counted once.

Shape suffixes: N specimen rows, S sheets, P pairs of a sheet and a value.
"""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.specimen import VIEW_OF
from clipbio.search.arrow import numpy_of
from clipbio.search.new_rows import META
from clipbio.search.query import Array
from clipbio.search.rows import Rows

__all__ = ["Sheets"]


class Sheets:
    """Which rows are one specimen. May be used by several threads at once.

    Args:
        rows: Those of an index.
        alive_N: Which are not deleted.
    """

    def __init__(self, rows: Rows, alive_N: Array) -> None:
        self.sheet_N, self.is_view_N = _sheets(rows)
        self._alive_N = alive_N
        self._order = np.argsort(self.sheet_N, kind="stable")
        self._begins = np.searchsorted(self.sheet_N[self._order], np.arange(self.sheet_N.max(initial=-1) + 2))
        self._pairs: dict[str, tuple[Array, Array, Array]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, rows: Rows, alive_N: Array) -> Sheets | None:
        """Return the sheets of an index, None where every row is one of its own."""
        if META + VIEW_OF not in rows.names or not (rows.codes(META + VIEW_OF)[0] >= 0).any():
            return None
        return cls(rows, alive_N)

    @property
    def by_sheet(self) -> tuple[Array, Array]:
        """Return the rows sheet by sheet, each in ascending order, and where those of each begin."""
        return self._order, self._begins

    def rows_of(self, row: int) -> Array:
        """Return the living rows of the sheet of a row, the sheet itself first."""
        sheet = int(self.sheet_N[row])
        rows = self._order[self._begins[sheet] : self._begins[sheet + 1]]
        rows = rows[self._alive_N[rows]]
        return rows[np.argsort(self.is_view_N[rows], kind="stable")]

    def once(self, mask_N: Array) -> Array:
        """Leave of the rows of each sheet that a mask (N,) lets through one: the sheet itself, else its first view."""
        rows = np.flatnonzero(mask_N)
        views, first_S = self.is_view_N[rows], np.full(len(self._begins) - 1, -1)
        # Of several values for one place the last one stays.
        for some in (rows[views][::-1], rows[~views][::-1]):
            first_S[self.sheet_N[some]] = some
        once_N = np.zeros(len(mask_N), bool)
        once_N[first_S[first_S >= 0]] = True
        return once_N

    def first_of(self, rows: Array) -> Array:
        """Leave of ordered rows the first one of each sheet."""
        return np.asarray(rows[np.sort(np.unique(self.sheet_N[rows], return_index=True)[1])])

    def counts(self, name: str, code_N: Array, classes: int, mask_N: Array) -> Array:
        """Return for each class how many sheets have a row of it that a mask lets through.

        Args:
            name: Of what classes; their order is kept under it.
            code_N: Class of each row, -1 without one.
            classes: How many there are.
            mask_N: Which rows count.
        """
        order, begins, code_P = self._pairs_of(name, code_N)
        passes_P = np.logical_or.reduceat(mask_N[order], begins) if len(begins) else np.zeros(0, bool)
        return np.bincount(code_P[passes_P] + 1, minlength=classes + 1)[1:]

    def _pairs_of(self, name: str, code_N: Array) -> tuple[Array, Array, Array]:
        with self._lock:
            if name not in self._pairs:
                key_N = self.sheet_N.astype(np.int64) * (int(code_N.max(initial=0)) + 2) + code_N + 1
                order = np.argsort(key_N, kind="stable")
                sorted_N = key_N[order]
                begins = np.flatnonzero(np.concatenate([[True], sorted_N[1:] != sorted_N[:-1]])[: len(sorted_N)])
                self._pairs[name] = order.astype(np.int32), begins, code_N[order[begins]]
            return self._pairs[name]


def _sheets(rows: Rows) -> tuple[Array, Array]:
    """Return the sheet of each row (N,), and which rows are views."""
    view_N, sheets = rows.codes(META + VIEW_OF)
    is_view_N = view_N >= 0
    itself_N = numpy_of(pc.fill_null(pc.index_in(rows.ids, pa.array(sheets, rows.ids.type)), -1))
    sheet_N = np.where(is_view_N, view_N, itself_N)
    others = np.flatnonzero(sheet_N < 0)
    sheet_N[others] = len(sheets) + np.arange(len(others))
    return sheet_N.astype(np.int32), is_view_N
