"""Tables and columns without pandas, which pyarrow imports where it is installed, and which takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.search.query import Array

__all__ = ["numpy_of", "read_table"]


def read_table(path: Path) -> pa.Table:
    """Read a table, as `pyarrow.parquet.read_table` does."""
    with pq.ParquetFile(path) as file:
        return file.read()


def numpy_of(column: pa.Array | pa.ChunkedArray) -> Array:
    """Return a column of numbers or truth values without nulls as an array that is not to be written to."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if whole.type == pa.bool_():
        return np.from_dlpack(whole.cast(pa.uint8())).view(bool)
    array: Array = np.from_dlpack(whole)
    return array
