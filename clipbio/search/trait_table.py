"""The traits of the descriptions of an index as a table: what was extracted once is read, not extracted again.

Shape suffixes: T descriptions, T1 is one more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.search.arrow import numpy_of, read_table
from clipbio.search.query import Array
from clipbio.traits import Trait

__all__ = ["TRAITS", "TraitTable", "trait_rows"]

TRAITS = "traits.parquet"
_TYPES = {"int": pa.int32(), "float | None": pa.float64(), "bool": pa.bool_()}
_NAMES = tuple(field.name for field in fields(Trait))
_SCHEMA = pa.schema(
    [("description", pa.int32()), *((field.name, _TYPES.get(str(field.type), pa.string())) for field in fields(Trait))]
)


@dataclass(frozen=True)
class TraitTable:
    """Traits, those of one description behind each other.

    Those of description t are the rows from `offsets_T1[t]` to `offsets_T1[t + 1]` of `table`, whose columns are
    `description` and the fields of a `Trait`.
    """

    table: pa.Table
    offsets_T1: Array

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def of(cls, table: pa.Table, descriptions: int) -> TraitTable:
        """Return the traits of so many descriptions; rows are in the order of these."""
        numbers = numpy_of(table["description"])
        return cls(table, np.searchsorted(numbers, np.arange(descriptions + 1)).astype(np.int64))

    @classmethod
    def read(cls, path: Path, descriptions: int) -> TraitTable:
        """Read them from a file."""
        return cls.of(read_table(path), descriptions)

    def write(self, path: Path) -> None:
        """Write them to a file."""
        pq.write_table(self.table, path, compression="zstd")

    def traits(self, description: int) -> tuple[Trait, ...]:
        """Return those of one description, in the order of the text."""
        start, end = (int(place) for place in self.offsets_T1[description : description + 2])
        rows: list[dict[str, Any]] = self.table.slice(start, end - start).select(_NAMES).to_pylist()
        return tuple(Trait(**row) for row in rows)


def trait_rows(traits: Iterable[tuple[int, Trait]]) -> pa.Table:
    """Return traits with the numbers of their descriptions as a table."""
    listed = list(traits)
    columns: dict[str, list[Any]] = {"description": [number for number, _ in listed]}
    columns |= {name: [getattr(trait, name) for _, trait in listed] for name in _NAMES}
    return pa.table(columns, schema=_SCHEMA)
