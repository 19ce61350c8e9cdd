"""The table of specimens of an index, read column by column when one is wanted.

Shape suffixes: N rows, deleted ones included.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError, nearest
from clipbio.search.arrow import numpy_of
from clipbio.search.metadata import text_of, unified_column
from clipbio.search.new_rows import COLUMNS, META
from clipbio.search.query import Array
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["Rows"]

_PLACES = ("group", "image_folder", "image_file", "image_offset", "image_length", "picture_offset", "picture_length")


class Rows:
    """The rows of all parts, one behind the other. May be read by several threads at once.

    Columns are `id`, the seven ranks (`species` is the epithet), `name` (binomial, else label, else deepest taxon),
    `common_name`, `label`, `licence`, `rights_holder`, `source`, `split`, where the picture lies, and one `meta.KEY`
    for each key of metadata. Text is `""` where it is missing; metadata is null.

    Args:
        files: The tables, opened: a reader keeps them although a writer removes them.
    """

    def __init__(self, files: Sequence[pq.ParquetFile]) -> None:
        self._files = tuple(files)
        self._lock = threading.RLock()
        self._columns: dict[str, pa.Array] = {}
        self._codes: dict[str, tuple[Array, list[str]]] = {}
        self._numbers: dict[str, Array] = {}
        parts = [COLUMNS.names, *(file.schema_arrow.names for file in self._files)]
        self.names: tuple[str, ...] = tuple(dict.fromkeys(name for part in parts for name in part))
        """Names of all columns."""

    def __len__(self) -> int:
        return sum(file.metadata.num_rows for file in self._files)

    @property
    def metadata_keys(self) -> tuple[str, ...]:
        """Return the keys of metadata, in the order in which they came."""
        return tuple(name.removeprefix(META) for name in self.names if name.startswith(META))

    @property
    def ids(self) -> pa.Array:
        """Return the ids (N,); an id may stand in several rows, of which at most one is not deleted."""
        return self.column("id")

    def column(self, name: str) -> pa.Array:
        """Return a column (N,): strings, int64 or float64.

        Raises:
            ClipbioError: There is none of that name.
        """
        if name not in self.names:
            raise ClipbioError(f"the index has no column '{name}'{nearest(name, self.names)}")
        with self._lock:
            if name not in self._columns:
                self._columns[name] = self._read(name)
            return self._columns[name]

    def is_number(self, name: str) -> bool:
        """Tell whether a column holds numbers."""
        return not pa.types.is_string(self.column(name).type) and not pa.types.is_large_string(self.column(name).type)

    def numbers(self, name: str) -> Array:
        """Return a column of numbers as float64 (N,), NaN where one is missing."""
        with self._lock:
            if name not in self._numbers:
                column = self.column(name)
                self._numbers[name] = np.full(len(column), np.nan)
                given = numpy_of(column.drop_null().cast(pa.float64(), safe=False))
                self._numbers[name][numpy_of(column.is_valid())] = given
            return self._numbers[name]

    def codes(self, name: str) -> tuple[Array, list[str]]:
        """Return for each row the place of its value (N,), int32, and the values, sorted; -1 where it is missing.

        Numbers are told as text.
        """
        with self._lock:
            if name not in self._codes:
                self._codes[name] = _codes(self.column(name))
            return self._codes[name]

    def taxon(self, row: int) -> Taxon:
        """Return what a row was determined to be."""
        return Taxon(*(self.column(rank)[row].as_py() for rank in RANKS))

    def record(self, row: int) -> dict[str, Any]:
        """Return the values of a row that are not missing, by column; where its picture lies is left out."""
        values = {name: self.column(name)[row].as_py() for name in self.names if name not in _PLACES}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def rows_of(self, id: str) -> Array:
        """Return the numbers of all rows with an id, deleted ones included."""
        return np.flatnonzero(numpy_of(pc.equal(self.ids, pa.scalar(text_of(id), self.ids.type))))

    def _read(self, name: str) -> pa.Array:
        if not self._files:
            return pa.array([], COLUMNS.field(name).type)
        chunks = [
            file.read([name])[name] if name in file.schema_arrow.names else pa.nulls(file.metadata.num_rows)
            for file in self._files
        ]
        column = unified_column(chunks)
        if pa.types.is_string(column.type) and column.nbytes >= 2**30:
            column = column.cast(pa.large_string())
        whole = column.combine_chunks()
        return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _codes(column: pa.Array) -> tuple[Array, list[str]]:
    encoded = column.dictionary_encode(null_encoding="encode")
    values = encoded.dictionary.to_pylist()
    order = sorted((place for place, value in enumerate(values) if value not in (None, "")), key=lambda at: values[at])
    new = np.full(len(values), -1, np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    return new[numpy_of(encoded.indices)], [str(values[place]) for place in order]
