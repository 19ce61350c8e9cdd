"""A checklist in memory: which names there are, which of them are accepted, and what stands above them."""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.merging.checklist_files import BELOW, SYNONYM, UNUSABLE, NameRows, read_names
from clipbio.errors import ClipbioError
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["Checklist"]

Rows = npt.NDArray[np.int32]
_SPECIES = RANKS.index("species")
_DEEPEST_CHAIN = 64
_SIMILAR_NAMES = 400


class Checklist:
    """The names of a checklist file, by name and rank.

    Args:
        rows: What `read_names` returns.
        path: The file, for messages.
    """

    def __init__(self, rows: NameRows, path: Path) -> None:
        self.path = path
        self.names, self.rank_N, self.status_N = rows.names, rows.rank_N, rows.status_N
        self.ids = rows.ids
        self._columns = rows.columns
        self._usable = _Usable.of(rows)
        self.accepted_N = self._pointers(rows.accepted_ids, rows.accepted_names)
        self.parent_N = self._pointers(rows.parent_ids, rows.parent_names, above=True)
        self._refuse_cycles(np.where(self.is_synonym_N, self.accepted_N, -1), "a synonym of itself")
        self._refuse_cycles(self.parent_N, "its own parent")

    @classmethod
    def load(cls, path: str | Path, *, format: str = "auto", columns: dict[str, str] | None = None) -> Checklist:
        """Read a checklist file.

        Args:
            path: See `read_names`.
            format: `gbif`, `itis`, `coldp`, `table`, or `auto`: told by the header.
            columns: Columns that have other names in this file.
        """
        rows = read_names(path, form=format, columns=columns or {})
        checklist = cls(rows, Path(path))
        del rows
        # What was read and dropped would stay with Arrow: half of all.
        pa.default_memory_pool().release_unused()
        return checklist

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def is_synonym_N(self) -> npt.NDArray[np.bool_]:
        """Tell of each row whether it stands for another one."""
        return np.asarray(self.status_N == SYNONYM)

    def rows(self, name: str, rank: str) -> list[int]:
        """Return the rows of this very name at this rank, without misapplied and bare names."""
        return [row for row in self._usable.rows(name) if self.rank_N[row] == RANKS.index(rank)]

    def accepted(self, row: int) -> int | None:
        """Return the accepted row that a row stands for, itself if it is accepted; None if the file names none."""
        while self.is_synonym_N[row]:
            row = int(self.accepted_N[row])
            if row < 0:
                return None
        while self.rank_N[row] == BELOW:
            row = int(self.parent_N[row])
            if row < 0:
                return None
        return row

    def lineage(self, row: int) -> Taxon:
        """Return the names of a row and above it: what its own columns say, else what its parents are."""
        names = [""] * len(RANKS)
        step = row
        while step >= 0:
            rank = int(self.rank_N[step])
            if 0 <= rank < _SPECIES and not names[rank]:
                names[rank] = self.name(step)
            for place, column in self._columns.items():
                names[place] = names[place] or column[step]
            step = int(self.parent_N[step])
        if self.rank_N[row] == _SPECIES:
            names[-2], _, names[-1] = self.name(row).partition(" ")
        return Taxon(*names)

    def name(self, row: int) -> str:
        """Return the canonical name of a row."""
        return str(self.names[row].as_py())

    def row_of_ids(self, ids: pa.Array) -> Rows:
        """Return the rows that have these ids, -1 where none has."""
        return _numbers(pc.index_in(ids, value_set=self.ids))

    def similar(self, name: str) -> str:
        """Suggest a binomial of the same genus that is spelt almost alike, `""` if there is none."""
        genus, _, epithet = name.partition(" ")
        if not epithet:
            return ""
        close = difflib.get_close_matches(name, self._usable.starting_with(f"{genus} ", _SIMILAR_NAMES), 1, 0.85)
        return close[0] if close else ""

    def _pointers(self, ids: pa.Array | None, names: pa.Array | None, *, above: bool = False) -> Rows:
        pointer_N = np.full(len(self.names), -1, np.int32)
        if ids is not None and self.ids is not None:
            pointer_N = _numbers(pc.index_in(ids, value_set=self.ids))
        if names is not None:
            found: dict[tuple[str, int, str], int] = {}
            told_N = pc.not_equal(names, "").to_numpy(zero_copy_only=False)
            for row in np.flatnonzero(told_N & (pointer_N < 0)).tolist():
                key = (str(names[row].as_py()), int(self.rank_N[row]), self._kingdom_column(row))
                if key not in found:
                    found[key] = self._named(*key, above=above)
                pointer_N[row] = found[key]
        itself_N = pointer_N == np.arange(len(pointer_N), dtype=np.int32)
        return np.where(itself_N, np.int32(-1), pointer_N)

    def _named(self, name: str, rank: int, kingdom: str, *, above: bool) -> int:
        """Return the row that a name stands for as accepted name or as parent: of the same kingdom, if that is told."""
        found = self._usable.rows(name)
        if above:
            found = [other for other in found if rank < 0 or self.rank_N[other] < rank]
        else:
            found = [other for other in found if self.rank_N[other] == rank]
        if kingdom:
            found = [other for other in found if self._kingdom_column(other) in ("", kingdom)]
        accepted = [other for other in found if not self.is_synonym_N[other]] or found
        return accepted[0] if len(accepted) == 1 else -1

    def _kingdom_column(self, row: int) -> str:
        if self.rank_N[row] == 0:
            return self.name(row)
        return self._columns[0][row] if 0 in self._columns else ""

    def _refuse_cycles(self, pointer_N: Rows, what: str) -> None:
        """Follow all pointers at once, each time twice as far; those that still lead somewhere go round."""
        ends_N, steps = pointer_N, 1
        while steps < _DEEPEST_CHAIN and (ends_N >= 0).any():
            ends_N = np.where(ends_N >= 0, ends_N[ends_N], -1)
            steps *= 2
        if (ends_N >= 0).any():
            row = int(np.flatnonzero(ends_N >= 0)[0])
            raise ClipbioError(
                f"{self.path}: row {row + 2}: '{self.name(row)}' leads to {what} "
                f"(to '{self.name(int(pointer_N[row]))}' and round); mend the checklist"
            )


@dataclass(frozen=True)
class _Usable:
    """The rows that a name may mean, sorted by name: two arrays in place of a dictionary of millions of strings."""

    names: Any
    row_S: Rows

    @classmethod
    def of(cls, rows: NameRows) -> _Usable:
        usable_N = (rows.rank_N != BELOW) & (rows.status_N != UNUSABLE)
        places = np.flatnonzero(usable_N).astype(np.int32)
        names = rows.names.take(pa.array(places))
        order = pc.sort_indices(names)
        return cls(names.take(order), places[order.to_numpy()])

    def rows(self, name: str) -> list[int]:
        """Return the rows of a name, as the file orders them."""
        view = _View(self.names)
        return sorted(self.row_S[bisect_left(view, name) : bisect_right(view, name)].tolist())

    def starting_with(self, start: str, limit: int) -> list[str]:
        """Return the first names that begin so."""
        view = _View(self.names)
        names = (view[place] for place in range(bisect_left(view, start), len(view)))
        found = []
        for name in islice(names, limit):
            if not name.startswith(start):
                break
            found.append(name)
        return found


@dataclass(frozen=True, slots=True)
class _View:
    """An Arrow array of strings as a sequence for `bisect`; Arrow sorts bytes of UTF-8, which is Python's order."""

    array: Any

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: int) -> str:
        return str(self.array[place].as_py())


def _numbers(indices: Any) -> Rows:
    numbers: Rows = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return numbers
