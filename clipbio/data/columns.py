"""Columns of the index of one split: compact in memory, cheap to send to a worker."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.manifest import ShardError
from clipbio.data.writer import INDEX_SCHEMA
from clipbio.taxonomy import RANKS, Taxon, stable_hash

__all__ = ["Coded", "Column", "codes", "compact", "hashes", "read_index", "taxa_of"]

T = TypeVar("T", str, bytes)
Integers = npt.NDArray[np.int64]
_REPEATED = ["split", "shard", *RANKS, "common_name", "label", "bin", "source", "licence", "rights_holder"]


class Column(Sequence[T], Generic[T]):
    """Strings or bytes of an Arrow array, made into Python objects when they are asked for."""

    def __init__(self, array: Any) -> None:
        self.array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...
    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        if isinstance(row, slice):
            return Column[T](self.array.take(pa.array(range(*row.indices(len(self))), pa.int64())))
        value: T = self.array[int(row)].as_py()
        return value

    def __iter__(self) -> Iterator[T]:
        return iter(self.array.to_pylist())

    def __len__(self) -> int:
        return len(self.array)


class Coded:
    """Integers of rows that share a few values, read like the array `values_S[code_N]` that is never made whole.

    Args:
        code_N: Which value each row has.
        values_S: The values, numbers or rows of numbers.
    """

    def __init__(self, code_N: Integers, values_S: Integers) -> None:
        self.code_N, self.values_S = compact(code_N, len(values_S)), values_S

    def __getitem__(self, key: Any) -> Any:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        return self.values_S[(self.code_N[rows], *rest)]

    def __len__(self) -> int:
        return len(self.code_N)


def compact(code_N: npt.NDArray[np.integer], kinds: int) -> npt.NDArray[np.signedinteger]:
    """Return numbers below `kinds` in as few bytes as hold them."""
    return code_N.astype(np.min_scalar_type(-max(kinds, 1)))


def read_index(path: Path, split: str | None = None, columns: Collection[str] = INDEX_SCHEMA.names) -> pa.Table:
    """Read `index.parquet`, or some columns of it, or the rows of one split."""
    try:
        filters = None if split is None else [("split", "=", split)]
        table = pq.read_table(path, columns=list(columns), filters=filters, read_dictionary=_REPEATED)
        return table.unify_dictionaries().combine_chunks()
    except FileNotFoundError as error:
        raise ShardError(f"{path} is missing; prepare the folder again") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ShardError(f"{path} is damaged ({reason}); prepare the folder again") from error


def codes(column: pa.ChunkedArray) -> tuple[Integers, list[str]]:
    """Return a column of repeated strings as numbers, and the strings they stand for."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    # A filtered column still carries the strings of the rows that were left out.
    used_S, code_N = np.unique(array.indices.to_numpy(zero_copy_only=False), return_inverse=True)
    strings: list[str] = array.dictionary.take(pa.array(used_S)).to_pylist()
    return code_N.reshape(-1).astype(np.int64), strings


def taxa_of(table: pa.Table) -> tuple[tuple[Taxon, ...], Integers]:
    """Return the distinct taxa in the order of their names, and which of them each row has."""
    ranks: list[tuple[npt.NDArray[np.signedinteger], list[str]]] = []
    taxon_N = np.zeros(len(table), np.int64)
    for rank in RANKS:
        code_N, names = codes(table[rank])
        # Numbered anew after each rank, so that the product cannot overflow.
        taxon_N = np.unique(taxon_N * len(names) + code_N, return_inverse=True)[1].reshape(-1)
        ranks.append((compact(code_N, len(names)), names))
    first_T = np.unique(taxon_N, return_index=True)[1]
    found = [Taxon(*(names[code_N[row]] for code_N, names in ranks)) for row in first_T]
    order_T = sorted(range(len(found)), key=lambda index: found[index].ranks)
    place_T = np.empty(len(found), np.int64)
    place_T[order_T] = np.arange(len(found))
    return tuple(found[index] for index in order_T), place_T[taxon_N]


def hashes(column: pa.ChunkedArray, name: str) -> Coded:
    """Return a stable hash of each string, -1 where it is empty."""
    code_N, strings = codes(column)
    return Coded(code_N, np.array([stable_hash(name, string) if string else -1 for string in strings], np.int64))
