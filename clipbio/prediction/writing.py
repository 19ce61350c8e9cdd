"""Answers as a CSV or Parquet file, written as they come."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError
from clipbio.prediction.answering import COLUMNS

__all__ = ["SUFFIXES", "AnswerWriter", "checked_suffix", "open_writer"]

SUFFIXES = (".csv", ".parquet")
_ROWS_AT_ONCE = 20_000
_KINDS = {"place": pa.int32(), "probability": pa.float32()}
_SCHEMA = pa.schema([(name, _KINDS.get(name, pa.string())) for name in COLUMNS])

Row = dict[str, Any]


class AnswerWriter(Protocol):
    """Takes rows of answers."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""


class _Csv:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows({**row, "probability": f"{row['probability']:.6g}"} for row in rows)

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _SCHEMA)
        self._waiting: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._waiting.extend(rows)
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._waiting, _SCHEMA))
        self._waiting = []


def checked_suffix(path: Path) -> Path:
    """Return a path that answers can be written to.

    Raises:
        ClipbioError: It has another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise ClipbioError(f"out={path}: answers are written as {' or '.join(SUFFIXES)}")
    return path


@contextmanager
def open_writer(path: Path) -> Iterator[AnswerWriter]:
    """Give a writer whose file takes its place when all is written; a run that breaks off leaves what was there.

    Raises:
        ClipbioError: The file has another suffix, or cannot be written.
    """
    checked_suffix(path)
    work = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = _Csv(work) if path.suffix == ".csv" else _Parquet(work)
        try:
            yield writer
        finally:
            writer.close()
        work.replace(path)
    except OSError as error:
        raise ClipbioError(f"out={path} cannot be written: {error.strerror or error}") from error
    finally:
        work.unlink(missing_ok=True)
