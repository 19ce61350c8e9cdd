"""Which specimens pass: conditions on ranks, names and metadata, each tested for all rows at once.

Shape suffixes: N specimen rows, K distinct lineages.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest
from clipbio.search.columns import Column, Condition, NumberColumn, TextColumn, Value, Where
from clipbio.search.folder import IndexFolder
from clipbio.search.new_rows import META
from clipbio.search.sheets import Sheets
from clipbio.search.traits import TRAIT, StatedTraits
from clipbio.taxonomy import RANKS

__all__ = ["Columns", "mask_N", "masks", "several"]

Array = npt.NDArray[Any]

_PLAIN = ("id", "name", "label", "licence", "source", "split")
_MASKS = 16


class Columns(Mapping[str, Column]):
    """The columns of an index by their names; each is read when it is first asked for, and kept.

    They are the seven ranks (`species` is the binomial), `id`, `name`, `label`, `licence`, `source`, `split` and the
    metadata keys, of which one that is called like any of these is out of reach. `trait` is none of them: conditions on
    it are about what descriptions tell (`traits`).
    """

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder
        self._stored = {name: name for name in (*RANKS, *_PLAIN)}
        for key in folder.rows.metadata_keys:
            self._stored.setdefault(key, META + key)
        self._read: dict[str, Column] = {}
        self._masks: OrderedDict[tuple[str, tuple[str, ...]], Array] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def alive_N(self) -> Array:
        """Tell which rows are not deleted."""
        return self._folder.alive_N

    @property
    def lineages(self) -> int:
        """Return how many distinct lineages there are."""
        return len(self._folder.taxa)

    @property
    def lineage_N(self) -> Array:
        """Return the keys of the columns of ranks: which of the distinct lineages each row has."""
        return self._folder.taxon_N

    @property
    def group_N(self) -> Array:
        """Return the group of each row, whose descriptions are its own."""
        return self._folder.group_N

    @property
    def sheets(self) -> Sheets | None:
        """Return which rows are one specimen, None where each is."""
        return self._folder.sheets

    @cached_property
    def traits(self) -> StatedTraits:
        """Return what descriptions tell.

        Raises:
            ClipbioError: The index was made without.
        """
        if self._folder.texts.traits is None and len(self._folder.texts.descriptions):
            name = self._folder.manifest.name
            raise ClipbioError(
                f"the index {name} was made without traits: make it again with 'python -m clipbio index'"
            )
        return StatedTraits(self._folder.texts)

    def __iter__(self) -> Any:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, name: str) -> Column:
        """Return a column; `ClipbioError` names the nearest one if there is none of this name."""
        if name not in self._stored:
            raise ClipbioError(f"no column '{name}' to filter by{nearest(name, [*self._stored, TRAIT])}")
        with self._lock:
            if name not in self._read:
                self._read[name] = self._of_rank(name) if name in RANKS else self._of_rows(name)
            return self._read[name]

    def condition_N(self, name: str, wanted: Sequence[Value]) -> Array:
        """Tell which rows have one of the wanted values; the masks of the last conditions are kept.

        Raises:
            ClipbioError: There is no such column or value, or a range is none.
        """
        asked = name, tuple(map(str, wanted))
        with self._lock:
            known_N = self._masks.pop(asked, None)
        found_N = self._mask_N(name, wanted) if known_N is None else known_N
        found_N.flags.writeable = False
        with self._lock:
            self._masks[asked] = found_N
            if len(self._masks) > _MASKS:
                self._masks.popitem(last=False)
        return found_N

    def _mask_N(self, name: str, wanted: Sequence[Value]) -> Array:
        if name != TRAIT:
            return self[name].mask_N(wanted)
        passes_G: Array = np.logical_and.reduce(list(self.traits.by_character(wanted).values()))
        return np.asarray(passes_G[self.group_N])

    def _of_rank(self, rank: str) -> Column:
        place = RANKS.index(rank)
        taxa = self._folder.taxa
        names = [taxon.scientific_name if rank == "species" else taxon.ranks[place] for taxon in taxa]
        values = sorted(set(names) - {""})
        code_of = {"": -1} | {value: code for code, value in enumerate(values)}
        codes_K = np.array([code_of[name] for name in names], np.int32)
        return TextColumn(rank, values, codes_K, self._folder.taxon_N)

    def _of_rows(self, name: str) -> Column:
        rows = self._folder.rows
        stored = self._stored[name]
        if rows.is_number(stored):
            return NumberColumn(name, rows.numbers(stored))
        codes_N, values = rows.codes(stored)
        return TextColumn(name, values, codes_N)


def masks(columns: Columns, where: Where | None) -> dict[str, Array]:
    """Return the mask of each condition, deleted rows not left out.

    Raises:
        ClipbioError: There is no such column, no such value, or a range is none.
    """
    return {name: columns.condition_N(name, several(name, condition)) for name, condition in (where or {}).items()}


def mask_N(columns: Columns, where: Where | None) -> Array:
    """Tell which rows are not deleted and meet all conditions; the errors are those of `masks`."""
    passes_N = columns.alive_N.copy()
    for condition_N in masks(columns, where).values():
        passes_N &= condition_N
    return passes_N


def several(name: str, condition: Condition) -> Sequence[Value]:
    """Return a condition as the values of which any will do; `ClipbioError` if there are none."""
    if isinstance(condition, str | int | float | np.generic):
        return [condition]
    if not condition:
        raise ClipbioError(f"the filter on {name} is empty; give a value or leave it out")
    return condition
