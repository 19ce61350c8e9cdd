"""Whatever metadata holds, it is read as what it was, as a number or as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_indexes import OAK

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.search.metadata import unified
from clipbio.search.new_rows import META, ImagePlace, NewRows, row_table
from clipbio.search.rows import Rows

wild_text = st.text(st.characters(), max_size=8) | st.text("-01.5e", max_size=4)
plain_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), wild_text)
values = st.one_of(
    plain_values, st.lists(plain_values, max_size=2), st.dictionaries(wild_text, plain_values, max_size=2)
)
parts = st.lists(
    st.lists(st.dictionaries(st.one_of(wild_text, st.sampled_from(["year", "id"])), values, max_size=3), max_size=3),
    max_size=3,
)


def rows_of(parts: Sequence[Sequence[Mapping[str, Any]]]) -> Rows:
    """Return the rows of parts whose specimens bear some metadata, through parquet files as on the disk."""
    files = []
    for number, records in enumerate(parts):
        things = [Specimen(id=f"{number}-{at}", taxon=OAK, metadata=one) for at, one in enumerate(records)]
        # Two batches: types may differ within a part, too.
        batches = [NewRows(things[:1]), NewRows(things[1:])]
        tables = [row_table(one, [0] * len(one.specimens), lambda name: 0, [0] * len(one.specimens)) for one in batches]
        sink = pa.BufferOutputStream()
        pq.write_table(unified(tables, lambda name: name.startswith(META)), sink)
        files.append(pq.ParquetFile(pa.BufferReader(sink.getvalue())))
    return Rows(files)


def told(value: Any) -> Any:
    """Return what is to be read: nothing, a number or a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False) if value else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def same(read: Any, value: Any) -> bool:
    """Numbers may have become text, since one of the others is one, and text a number, since all of them are."""
    if isinstance(value, str) and isinstance(read, int | float):
        return float(value) == read and value[0] in "-123456789" + "0" * (value == "0" or "." in value)
    if isinstance(read, str) and isinstance(value, int | float):
        return float(read) == value if isinstance(value, float) else int(read) == value
    return bool(read == value)


@settings(max_examples=60, deadline=None)
@given(parts)
def test_wild_metadata_comes_back(parts: list[list[dict[str, Any]]]) -> None:
    rows = rows_of(parts)
    records = [one for part in parts for one in part]
    assert len(rows) == len(records)
    for row, record in enumerate(records):
        due = {f"meta.{told(key)}": told(value) for key, value in record.items()}
        due = {name: value for name, value in due.items() if value not in (None, "")}
        read = {name: value for name, value in rows.record(row).items() if name.startswith("meta.")}
        assert read.keys() == due.keys()
        assert all(same(read[name], value) for name, value in due.items())
    for name in rows.names:
        codes_N, found = rows.codes(name)
        column = rows.column(name).to_pylist()
        assert [found[code] if code >= 0 else None for code in codes_N] == [
            None if value in (None, "") else str(value) for value in column
        ]


@pytest.mark.parametrize(
    ("parts", "kind", "read"),
    [
        ([[1900, 1910], [1]], pa.int64(), [1900, 1910, 1]),
        ([[1900], [0.5]], pa.float64(), [1900.0, 0.5]),
        ([[1900], ["about 1900"]], pa.string(), ["1900", "about 1900"]),
        ([[1900.0], ["?"]], pa.string(), ["1900", "?"]),
        ([[2**53 + 1], [0.5]], pa.string(), [str(2**53 + 1), "0.5"]),
        ([[2**70], [1]], pa.string(), [str(2**70), "1"]),
        ([[None], [3]], pa.int64(), [None, 3]),
        ([[np.int32(3)], [np.float32(0.5)]], pa.float64(), [3.0, 0.5]),
        ([[True], [1]], pa.string(), ["true", "1"]),
        ([["1900", "-4"], ["0"]], pa.int64(), [1900, -4, 0]),
        ([["48.85", "2"]], pa.float64(), [48.85, 2.0]),
        ([["48.50", "2.00"]], pa.float64(), [48.5, 2.0]),
        ([["1987.1", "1987.10"]], pa.string(), ["1987.1", "1987.10"]),
        ([["1", "x"]], pa.string(), ["1", "x"]),
        ([["007"]], pa.string(), ["007"]),
        ([["1e5"]], pa.string(), ["1e5"]),
        ([["-0"]], pa.string(), ["-0"]),
        ([["1234567890123456"]], pa.string(), ["1234567890123456"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_all(parts: Any, kind: pa.DataType, read: list[Any]) -> None:
    column = rows_of([[{"x": value} for value in part] for part in parts]).column("meta.x")
    assert column.type == kind
    assert column.to_pylist() == read


def test_numbers_are_floats_with_nan_where_one_is_missing() -> None:
    rows = rows_of([[{"year": 1900}, {}], [{"year": 1910.5}]])
    assert rows.is_number("meta.year")
    assert not rows.is_number("id")
    assert np.array_equal(rows.numbers("meta.year"), [1900.0, np.nan, 1910.5], equal_nan=True)


def test_an_unknown_column_is_told_with_the_nearest() -> None:
    with pytest.raises(ClipbioError, match="no column 'famly'; did you mean 'family'"):
        rows_of([[{}]]).column("famly")


def test_a_batch_that_does_not_fit_together_is_a_mistake_of_the_program() -> None:
    one = Specimen(id="1", taxon=OAK)
    for wrong in (
        {"pictures": [b"", b""]},
        {"places": [ImagePlace("a", "b")] * 2},
        {"vectors": {"image": (np.ones(1, bool), np.ones((2, 4)))}},
        {"vectors": {"image": (np.ones(2, bool), np.ones((2, 4)))}},
    ):
        with pytest.raises(ValueError, match="for 1"):
            NewRows([one], **wrong)
