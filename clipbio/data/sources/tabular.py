"""Table files read row by row: csv and tsv, plain or gzipped, and parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.defects import Defects
from clipbio.data.sources.quoted import QuotedRecords, count_swallowed
from clipbio.errors import ClipbioError, nearest

__all__ = ["SUFFIXES", "TabularFile", "find_table"]

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_ROWS_PER_BATCH = 4096
# Text that is not UTF-8 is a ValueError of Python, not one of Arrow.
_BROKEN_PARQUET = (pa.ArrowException, OSError, ValueError, OverflowError)


def find_table(folder: Path, stem: str) -> Path | None:
    """Return the table of this name in a folder; two of them in different forms are refused."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        raise ClipbioError(f"{folder} has {' and '.join(path.name for path in found)}; keep one of them")
    return found[0] if found else None


class TabularFile:
    """A table file; its header is checked when it is opened.

    Args:
        path: The file, of one of the known suffixes.
        required: Columns that must be there.
    """

    def __init__(self, path: Path, *, required: Sequence[str] = ()) -> None:
        self.path = path
        self.columns = self._header()
        repeated = [name for name, count in Counter(self.columns).items() if count > 1 and name]
        if repeated:
            raise ClipbioError(f"{path}: the column '{repeated[0]}' occurs more than once; rename one of them")
        for name in required:
            if name not in self.columns:
                raise ClipbioError(f"{path}: the column '{name}' is missing{self._hint(name)}")

    def rows(self, defects: Defects) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield number and cells of each row; rows of a wrong width are counted as defects.

        Rows are numbered as a spreadsheet shows them: the header of a text table is row 1.
        """
        if self.path.suffix == ".parquet":
            yield from self._parquet_rows()
            return
        width = len(self.columns)
        for number, (records, cells) in enumerate(self._lines(), start=1):
            if number == 1 or not cells:
                continue
            count_swallowed(records, len(cells), width, self.where(number), defects)
            if len(cells) == width:
                yield number, {name: cell for name, cell in zip(self.columns, cells) if name}

    def holds_bytes(self, column: str) -> bool:
        """Tell whether a column of a parquet file holds bytes, alone or in a structure."""
        if self.path.suffix != ".parquet" or column not in self.columns:
            return False
        kind = self._parquet().schema_arrow.field(column).type
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind))

    def where(self, number: int) -> str:
        """Name a row of this file."""
        return f"{self.path.name} row {number}"

    def _header(self) -> list[str]:
        if self.path.suffix == ".parquet":
            return list(self._parquet().schema_arrow.names)
        _, header = next(self._lines(), (None, []))
        if not any(header):
            raise ClipbioError(f"{self.path} is empty; the first line must name the columns")
        return [name.strip() for name in header]

    def _hint(self, name: str) -> str:
        if len(self.columns) == 1 and ";" in self.columns[0]:
            return "; the file seems to be separated by ';', save it with commas"
        if len(self.columns) == 1 and "\t" in self.columns[0]:
            return "; the file seems to be separated by tabs, name it .tsv"
        by_lower = {column.lower(): column for column in self.columns if column}
        hint = nearest(name, by_lower)
        if hint.startswith("; did you mean"):
            close = by_lower[hint.split("'")[1]]
            return f"; did you mean to call it so instead of '{close}'?"
        return f"; the columns are: {', '.join(self.columns)}"

    def _open(self) -> TextIO:
        opened = gzip.open if self.path.suffix == ".gz" else open
        return opened(self.path, "rt", encoding="utf-8-sig", newline="")

    def _lines(self) -> Iterator[tuple[QuotedRecords, list[str]]]:
        """Yield the cells of each row, and the records they come from."""
        number = 0
        try:
            with self._open() as file:
                records = QuotedRecords(file, "\t" if ".tsv" in self.path.suffixes else ",")
                for _, cells in records:
                    if isinstance(cells, csv.Error):
                        raise cells
                    number += 1
                    yield records, cells
        except UnicodeDecodeError as error:
            raise ClipbioError(
                f"{self.path}: after row {number} the text is not UTF-8 ({error.reason}); save the table as UTF-8"
            ) from error
        except csv.Error as error:
            raise ClipbioError(f"{self.path}: row {number + 1} cannot be read ({error}); check its quotes") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ClipbioError(f"{self.path}: after row {number} the gzip file is damaged ({error})") from error

    def _parquet(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except _BROKEN_PARQUET as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ClipbioError(f"{self.path} cannot be read as parquet ({reason})") from error

    def _parquet_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            for batch in self._parquet().iter_batches(_ROWS_PER_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except _BROKEN_PARQUET as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ClipbioError(f"{self.path}: after row {number} it cannot be read ({reason})") from error
