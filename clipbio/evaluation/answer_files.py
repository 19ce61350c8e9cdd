"""`answers.parquet`: what stands behind the figures of a run, one row per figure and specimen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers

__all__ = ["ANSWERS", "read_answers", "write_answers"]

ANSWERS = "answers.parquet"
_KEY = ("task", "split", "variant", "metric")
_NAMES = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema([*((name, _NAMES) for name in _KEY), ("id", pa.string()), ("species", _NAMES),
                     ("value", pa.float64())])  # fmt: skip


def write_answers(path: Path, answers: Iterable[Answers]) -> None:
    """Write answers figure by figure, all or nothing: task, split, variant, metric, id, species, value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        for one in answers:
            writer.write_table(_table(one))
    temporary.replace(path)


def _table(one: Answers) -> pa.Table:
    constant = {name: _constant(getattr(one, name), len(one.ids)) for name in _KEY}
    columns = {
        **constant,
        "id": pa.array(one.ids, pa.string()),
        "species": pa.array(one.species, pa.string()).dictionary_encode(),
        "value": pa.array(np.asarray(one.value_N, np.float64)),
    }
    return pa.table(columns, schema=_SCHEMA)


def _constant(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text], pa.string()))


def read_answers(path: Path) -> dict[str, Answers]:
    """Return the answers of a file by the key of their figure; none if there is no file.

    Raises:
        ClipbioError: The file is damaged or has other columns.
    """
    if not path.exists():
        return {}
    try:
        file = pq.ParquetFile(path)
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
        rows = pa.concat_tables(groups).unify_dictionaries() if groups else _SCHEMA.empty_table()
        missing = [name for name in _SCHEMA.names if name not in rows.column_names]
    except (OSError, pa.ArrowException) as error:
        raise ClipbioError(f"{path} cannot be read: {str(error).splitlines()[0]}; evaluate the run again") from error
    if missing:
        raise ClipbioError(f"{path} has no column {', '.join(missing)}; evaluate the run again")
    return {one.key: one for one in _figures(rows)}


def _figures(rows: pa.Table) -> Sequence[Answers]:
    """Cut the table where the figure changes; rows of one figure stand together."""
    if not len(rows):
        return []
    codes = [np.asarray(rows[name].combine_chunks().indices) for name in _KEY]
    changed = np.flatnonzero(np.any([np.diff(code) != 0 for code in codes], axis=0)) + 1
    starts = [0, *changed.tolist()]
    parts = [rows.slice(start, stop - start) for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True)]
    return [_answers(part) for part in parts]


def _answers(part: pa.Table) -> Answers:
    task, split, variant, metric = (str(part[name][0].as_py()) for name in _KEY)
    ids, species = tuple(part["id"].to_pylist()), tuple(part["species"].to_pylist())
    return Answers(task, split, variant, metric, ids, part["value"].to_numpy(), species)
