"""The catalogue of a merged set: every record that arrived, what it was called, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipbio.data.manifest import INDEX
from clipbio.taxonomy import RANKS

__all__ = ["CATALOG", "SCHEMA", "write_catalog"]

CATALOG = "catalog.parquet"
SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            *("id", "source", "source_id", "outcome", "instead", "lost", "split", "licence", "rights_holder"),
            *("given_name", "name", "match", *RANKS, "common_name"),
        )
    ]
)
_ROWS_PER_GROUP = 200_000


def write_catalog(rows: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write `catalog.parquet`, one row for each record that arrived.

    The split is the one that stands in the index, for a record that was left out the one it came with. A record that
    was kept and is not in the index had a defect, or its split is not wanted; its outcome is `not_written`.

    Args:
        rows: The rows, in the order of the sources.
        folder: The shard folder, with its index if it is written already.
    """
    index = _index(folder / INDEX)
    with pq.ParquetWriter(folder / CATALOG, SCHEMA) as writer:
        for group in _groups(iter(rows)):
            table = pa.Table.from_pylist(group, schema=SCHEMA)
            writer.write_table(table if index is None else _joined(table, index))


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, _ROWS_PER_GROUP)):
        yield group


def _index(path: Path) -> Any:
    return pq.read_table(path, columns=["id", "split"]).combine_chunks() if path.is_file() else None


def _joined(table: Any, index: Any) -> Any:
    place = pc.index_in(table["id"], value_set=index["id"].combine_chunks())
    kept = pc.equal(table["outcome"], "kept")
    split = pc.if_else(kept, pc.coalesce(index["split"].take(place), table["split"]), table["split"])
    lost = pc.and_(kept, pc.is_null(place))
    outcome = pc.if_else(lost, "not_written", table["outcome"])
    for name, column in (("split", split), ("outcome", outcome)):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table
