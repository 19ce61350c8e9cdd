"""Tables of millions of names, read column by column: checklists and vernacular names."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError, nearest

__all__ = ["NameTable", "chosen_form"]

Form = Mapping[str, str]


class NameTable:
    """A table file of which some columns are read, as strings, in batches.

    Tab-separated files are read without quoting, as the aggregators write them; comma-separated ones with it. Rows of a
    wrong width are counted in `bad_rows` and left out.

    Args:
        path: `.csv`, `.tsv`, `.txt`, each also as `.gz`, `.parquet`, or a `.zip` or a folder that holds `member`.
        member: File name inside a folder or a zip, without its suffix.
    """

    def __init__(self, path: str | Path, *, member: str) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path = _in_folder(self.path, member)
        if not self.path.is_file():
            raise ClipbioError(f"{self.path} is not there; give the file of the table, or the folder that holds it")
        self.member = _in_zip(self.path, member) if self.path.suffix == ".zip" else ""
        self.bad_rows = 0
        self.header = self._header()

    @property
    def name(self) -> str:
        """Name the table, without the folders or the archive that it lies in."""
        return self.member.rpartition("/")[2] or self.path.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns, without the `col:` that ColDP puts before them."""
        return tuple(name.removeprefix("col:") for name in self.header)

    def batches(self, wanted: Mapping[str, str]) -> Iterator[dict[str, pa.Array]]:
        """Yield the columns of `wanted` (our name: name in the file) that the file has, batch by batch."""
        places = dict(zip(self.columns, self.header, strict=True))
        given = {field: places[name] for field, name in wanted.items() if name in places}
        names = list(dict.fromkeys(given.values()))
        self.bad_rows = 0
        try:
            with self._opened() as file:
                for batch in self._record_batches(file, names):
                    texts = {name: _plain(batch.column(name)) for name in names}
                    yield {field: texts[name] for field, name in given.items()}
        except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise ClipbioError(f"{self.path} cannot be read ({str(error).splitlines()[0]})") from error

    def _record_batches(self, file: IO[bytes], names: Sequence[str]) -> Iterator[Any]:
        if self._suffix == ".parquet":
            yield from pq.ParquetFile(file).iter_batches(columns=list(names))
            return
        tabs = self._delimiter == "\t"
        parsing = pa_csv.ParseOptions(
            delimiter=self._delimiter,
            quote_char=False if tabs else '"',
            newlines_in_values=not tabs,
            invalid_row_handler=self._skip,
        )
        converting = pa_csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )
        reading = pa_csv.ReadOptions(block_size=16 * 2**20, column_names=self.header, skip_rows=1)
        yield from pa_csv.open_csv(file, reading, parsing, converting)

    def _skip(self, row: Any) -> str:
        self.bad_rows += 1
        return "skip"

    @property
    def _suffix(self) -> str:
        name = Path(self.member or self.path.name.removesuffix(".gz"))
        return name.suffix.lower()

    @property
    def _delimiter(self) -> str:
        return "," if self._suffix == ".csv" else "\t"

    def _header(self) -> list[str]:
        try:
            with self._opened() as file:
                if self._suffix == ".parquet":
                    return list(pq.ParquetFile(file).schema_arrow.names)
                line = io.TextIOWrapper(file, "utf-8-sig").readline()
        except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise ClipbioError(f"{self.path} cannot be read ({str(error).splitlines()[0]})") from error
        names = next(csv.reader([line]), []) if self._delimiter == "," else line.rstrip("\r\n").split("\t")
        if not any(names):
            raise ClipbioError(f"{self.path} is empty; the first line must name the columns")
        return [name.strip() for name in names]

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self.member:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                yield file
        elif self.path.suffix == ".gz":
            with gzip.open(self.path) as file:
                yield file  # type: ignore[misc]
        else:
            with self.path.open("rb") as file:
                yield file


def chosen_form(
    table: NameTable,
    forms: Mapping[str, Form],
    *,
    form: str,
    columns: Mapping[str, str],
    required: Sequence[str],
) -> tuple[str, dict[str, str]]:
    """Return the name of the form of a table and its columns (our name: name in the file).

    Args:
        table: The table.
        forms: Columns of each known form; `auto` takes the one that most columns of the file belong to.
        form: Name of a form, or `auto`.
        columns: Columns that have other names in this file.
        required: Fields without which a table says nothing.
    """
    if form != "auto" and form not in forms:
        raise ClipbioError(f"format={form} is unknown{nearest(form, ['auto', *forms])}")
    fields = {field for known in forms.values() for field in known}
    for field in columns:
        if field not in fields:
            raise ClipbioError(f"columns.{field} is no field of such a table{nearest(field, fields)}")
    for field, column in columns.items():
        if column not in table.columns:
            raise ClipbioError(f"{table.path}: columns.{field}={column} is not there{nearest(column, table.columns)}")
    fitting = {name: {**forms[name], **columns} for name in (forms if form == "auto" else [form])}
    name, named = max(fitting.items(), key=lambda one: len(set(one[1].values()) & set(table.columns)))
    missing = [named[field] for field in required if named[field] not in table.columns]
    if not missing:
        return name, named
    raise ClipbioError(
        f"{table.path}: the column '{missing[0]}' is missing (format {name}); the columns are: "
        f"{', '.join(table.columns)}; name others with columns: {{{required[0]}: ...}}"
    )


def _plain(column: Any) -> pa.Array:
    """Return a column as stripped strings without nulls."""
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))


def _in_folder(folder: Path, member: str) -> Path:
    found = sorted(path for path in folder.iterdir() if _is_member(path.name, member))
    if not found:
        raise ClipbioError(f"{folder} holds no {member}.tsv; give the file itself")
    return found[0]


def _in_zip(path: Path, member: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            found = sorted(name for name in archive.namelist() if _is_member(name.rpartition("/")[2], member))
    except (OSError, zipfile.BadZipFile) as error:
        raise ClipbioError(f"{path} cannot be read as a zip ({error})") from error
    if not found:
        raise ClipbioError(f"{path} holds no {member}.tsv; give the file itself")
    return found[0]


def _is_member(name: str, member: str) -> bool:
    return name.lower() in {f"{member.lower()}{suffix}" for suffix in (".tsv", ".txt", ".csv")}
