"""Vectors of one modality of an index, which stay on the disk until they are read.

Shape suffixes: N rows of the index, n those of one part that have a vector, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.query import Array

__all__ = ["Block", "Vectors", "unit"]


@dataclass(frozen=True)
class Block:
    """The vectors of one part: `rows_n` are their numbers in the index, ascending."""

    rows_n: Array
    vectors_nD: Array

    @property
    def rows(self) -> Array | slice:
        """Return the numbers as a slice if they follow each other, which takes no memory and no gathering."""
        first, count = (int(self.rows_n[0]), len(self.rows_n)) if len(self.rows_n) else (0, 0)
        return slice(first, first + count) if count and self.rows_n[-1] == first + count - 1 else self.rows_n


class Vectors:
    """Unit vectors of the rows of an index that have one, float32.

    Args:
        blocks: Those of each part.
        count: Number of rows of the index, N.
    """

    def __init__(self, blocks: Sequence[Block], count: int) -> None:
        self._blocks, self._count = tuple(blocks), count

    def __len__(self) -> int:
        return sum(len(block.rows_n) for block in self._blocks)

    @property
    def dim(self) -> int:
        """Return D."""
        return int(self._blocks[0].vectors_nD.shape[1])

    def blocks(self) -> Iterator[tuple[Array | slice, Array]]:
        """Yield numbers of rows, as a slice or (n,) int64, and their vectors_nD, part by part in ascending order."""
        for block in self._blocks:
            yield block.rows, block.vectors_nD

    @cached_property
    def has_N(self) -> Array:
        """Return which rows have a vector (N,), deleted ones included."""
        has_N = np.zeros(self._count, bool)
        for block in self._blocks:
            has_N[block.rows] = True
        return has_N

    def of(self, row: int) -> Array:
        """Return the vector (D,) of a row.

        Raises:
            KeyError: It has none.
        """
        for block in self._blocks:
            place = int(np.searchsorted(block.rows_n, row))
            if place < len(block.rows_n) and block.rows_n[place] == row:
                return np.array(block.vectors_nD[place])
        raise KeyError(row)

    def take(self, rows_n: Array) -> Array:
        """Return the vectors (n, D) of rows that all have one, in the order that is asked for."""
        taken_nD = np.empty((len(rows_n), self.dim), np.float32)
        found = 0
        for block in self._blocks:
            places = np.minimum(np.searchsorted(block.rows_n, rows_n), len(block.rows_n) - 1)
            here = block.rows_n[places] == rows_n
            taken_nD[here] = block.vectors_nD[places[here]]
            found += int(here.sum())
        if found != len(rows_n):
            raise KeyError("a row without a vector")
        return taken_nD


def unit(vectors_nD: Array, names: Sequence[str]) -> Array:
    """Return vectors of unit length, float32; `names` tell what each belongs to, for the message.

    Raises:
        ClipbioError: One is zero, or holds numbers that are not finite.
    """
    vectors_nD = np.asarray(vectors_nD, np.float32)
    lengths_n: Array = np.linalg.norm(vectors_nD, axis=1)
    bad_n = np.flatnonzero(~(np.isfinite(lengths_n) & (lengths_n > 0)))
    if len(bad_n):
        raise ClipbioError(
            f"the vectors of {names[bad_n[0]]} and {len(bad_n) - 1} others are zero or no finite numbers: the model "
            "has diverged, take another one"
        )
    unit_nD: Array = vectors_nD / lengths_n[:, None]
    return unit_nD
