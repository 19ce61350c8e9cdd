"""Metadata of specimens as columns of a table: whatever it holds becomes a number or a text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.search.arrow import numpy_of

__all__ = ["metadata_columns", "text_of", "unified", "unified_column"]

_LARGEST = 2**63
# As many digits as float64 holds.
_INTEGER, _DECIMAL = r"0|-?[1-9]\d{0,14}", r"-?(0|[1-9]\d{0,14})\.\d{1,15}"


def text_of(value: str) -> str:
    """Return a text that UTF-8 can hold: half of a surrogate pair becomes a question mark."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def unified(tables: Sequence[pa.Table], may_be_numbers: Callable[[str], bool]) -> pa.Table:
    """Return tables one behind the other: a column that some lack is null there, numbers beside text become text.

    A column that is null everywhere is left out: nothing tells its type. Text becomes numbers where every value is one
    (tables of specimens are read from CSV files) and `may_be_numbers` allows it for a column of its name.
    """
    names = dict.fromkeys(field.name for table in tables for field in table.schema if field.type != pa.null())
    columns = {name: unified_column([_column(table, name) for table in tables]) for name in names}
    return pa.table({name: _numbers(one) if may_be_numbers(name) else one for name, one in columns.items()})


def unified_column(chunks: Sequence[pa.ChunkedArray | pa.Array]) -> pa.ChunkedArray:
    """Return columns one behind the other, in the narrowest type that holds all: int64, float64, text."""
    kinds = {chunk.type for chunk in chunks} - {pa.null()}
    if len(kinds) > 1:
        numbers = kinds == {pa.int64(), pa.float64()} and all(map(_is_exact, chunks))
        kinds = {pa.float64() if numbers else pa.string()}
    kind = next(iter(kinds), pa.string())
    flat = [piece for chunk in chunks for piece in (chunk.chunks if isinstance(chunk, pa.ChunkedArray) else [chunk])]
    return pa.chunked_array([_cast(piece, kind) for piece in flat], kind)


def metadata_columns(records: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
    """Return the metadata of some specimens as columns: int64, float64, text, or null where a key tells nothing."""
    columns: dict[str, list[Any]] = {}
    for row, record in enumerate(records):
        for key, value in record.items():
            columns.setdefault(text_of(str(key)), [None] * len(records))[row] = _plain(value)
    return {name: _typed(values) for name, values in columns.items()}


def _plain(value: Any) -> str | int | float | None:
    """Return a value as text or number, None where it says nothing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) or value is None:
        return text_of(value) if value else None
    if isinstance(value, Mapping | list | tuple):
        return text_of(json.dumps(value, ensure_ascii=False, default=str)) if value else None
    return text_of(str(value))


def _typed(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds <= {int, float} and all(not isinstance(value, int) or int(float(value)) == value for value in values):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([value if isinstance(value, str | None) else _number_text(value) for value in values], pa.string())


def _number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(value)


def _is_exact(chunk: pa.ChunkedArray | pa.Array) -> bool:
    """Tell whether float64 holds the numbers of a column as they are."""
    if chunk.type != pa.int64():
        return True
    values_n = numpy_of(chunk.drop_null())
    return bool(np.all((values_n >= -(2**53)) & (values_n <= 2**53)))


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind == pa.string() and values.type in (pa.int64(), pa.float64()):
        return pa.array([None if value is None else _number_text(value) for value in values.to_pylist()], kind)
    return values.cast(kind)


def _column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    return table[name] if name in table.column_names else pa.nulls(table.num_rows)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of text as numbers if all of it is, written as numbers are: no leading zero, no `1e5`.

    It stays text if that would make one of two, such as the accession numbers 1987.1 and 1987.10.
    """
    if column.type == pa.string():
        given = column.drop_null()
        for pattern, kind in ((_INTEGER, pa.int64()), (f"{_INTEGER}|{_DECIMAL}", pa.float64())):
            if pc.all(pc.match_substring_regex(given, f"^({pattern})$")).as_py():
                numbers = column.cast(kind)
                return numbers if len(numbers.unique()) == len(column.unique()) else column
    return column
