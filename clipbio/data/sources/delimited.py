"""Delimited text in a given dialect, read line by line: what is wrong with a row is counted, never raised."""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from clipbio.data.defects import Defects
from clipbio.data.sources.quoted import LINE_LIMIT, QuotedRecords, count_swallowed
from clipbio.errors import ClipbioError

__all__ = ["READ_ERRORS", "DelimitedFile", "Dialect", "check_encoding"]

_LINE_LIMIT = LINE_LIMIT
_FIRST_RECORDS = 100
_LINE_ENDS = ("\n", "\r\n", "\r")
# Codecs of plain text: others of Python's run code paths that no table needs (punycode, unicode_escape, idna ...).
_ENCODINGS = re.compile(
    r"ascii|utf-(8|8-sig|16|16-le|16-be|32|32-le|32-be)|iso8859-\d+|cp\d+|mac-\w+|koi8-[rtu]|gbk|gb\d+|"
    r"big5\w*|shift_jis\w*|euc_\w+|tis-620|hp-roman8"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# A lead byte of UTF-8 read as Latin-1 or Windows-1252, and what its second byte became.
_MOJIBAKE = re.compile("[ÃÂ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€")

READ_ERRORS = (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
"""What reading a file, a gzip file or a member of a zip raises when it is damaged, encrypted or cut short."""


def check_encoding(name: str) -> str:
    """Return the encoding to read a table with; a byte order mark is dropped.

    Raises:
        ClipbioError: There is no such encoding of text.
    """
    try:
        known = codecs.lookup(name).name if re.fullmatch(r"[\w.: -]{1,40}", name, re.ASCII) else ""
    except (LookupError, ValueError):
        known = ""
    if not _ENCODINGS.fullmatch(known):
        raise ClipbioError(f"'{name[:40]}' is no encoding of text; try utf-8, latin-1 or windows-1252")
    return "utf-8-sig" if known == "utf-8" else known


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the cells of a text file are told apart.

    Args:
        delimiter: What stands between two cells.
        quote: What encloses cells; empty where quotes are letters like others.
        line_end: What ends a line; a line feed takes Windows' line ends along.
        encoding: Encoding of the file.
        header_lines: Lines before the first record.
    """

    delimiter: str = "\t"
    quote: str = ""
    line_end: str = "\n"
    encoding: str = "utf-8"
    header_lines: int = 1

    def __post_init__(self) -> None:
        for name, mark in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(mark) > 1 or mark in ("\r", "\n", "\0") or (mark == "" and name == "delimiter"):
                raise ClipbioError(f"the {name} {mark!r} is not supported; it must be one character")
        if self.delimiter == self.quote:
            raise ClipbioError(f"cells are both separated and enclosed by {self.quote!r}; one of them is wrong")
        if self.line_end not in _LINE_ENDS:
            raise ClipbioError(f"lines that end with {self.line_end!r} are not supported")
        check_encoding(self.encoding)


@dataclass(frozen=True)
class DelimitedFile:
    """A file of delimited text.

    Args:
        name: What to call it in messages.
        open: Opens its bytes anew.
        dialect: How it is written.
        described: Number of columns by a description of the file, whose header then is not looked at.
    """

    name: str
    open: Callable[[], BinaryIO] = field(compare=False)
    dialect: Dialect = Dialect()
    described: int = 0

    def header(self) -> tuple[str, ...]:
        """Return the cells of the last line before the records, empty if there is none."""
        last = self.dialect.header_lines - 1
        _, cells = next(islice(self._records(), last, None), (0, [])) if last >= 0 else (0, [])
        if isinstance(cells, csv.Error):
            raise ClipbioError(f"{self.name}: the header cannot be read: {cells}")
        return tuple(_SURROGATE.sub("\ufffd", cell).strip() for cell in cells)

    def rows(self, defects: Defects) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the cells of each record.

        All records have the width of the header; without one, or where it is described, that of most of the first
        hundred. A record of another width, with bytes that are not of the encoding, or with quotes that cannot be read
        is counted and left out; one that looks encoded twice, or whose quotes enclose what looks like rows, is only
        counted. Behind a quote that is not closed reading goes on in the next line.
        """
        usual = width = self._usual_width() if self.described or not self.dialect.header_lines else 0
        records = self._records()
        for place, (number, cells) in enumerate(records):
            if isinstance(cells, csv.Error):
                if place >= self.dialect.header_lines:
                    defects.add("unreadable_row", self.where(number), f"the row cannot be read: {cells}")
            elif place < self.dialect.header_lines:
                width = usual or len(cells)
            elif cells and cells != [""]:
                count_swallowed(records, len(cells), width, self.where(number), defects)
                if len(cells) == width and self._is_sound(number, cells, defects):
                    yield number, cells

    def where(self, number: int) -> str:
        """Name a line of this file."""
        return f"{self.name} line {number}"

    def _is_sound(self, number: int, cells: list[str], defects: Defects) -> bool:
        joined = self.dialect.delimiter.join(cells)
        if joined.isascii():
            return True
        if _SURROGATE.search(joined):
            message = f"bytes that are not {self.dialect.encoding}; mend them, or declare the true encoding"
            defects.add("bad_encoding", self.where(number), message)
            return False
        if found := _MOJIBAKE.search(joined):
            shown = joined[max(0, found.start() - 12) : found.end() + 12]
            defects.add("mojibake", self.where(number), f"'{shown}' looks encoded twice", skipped=False)
        return True

    def _usual_width(self) -> int:
        """Return the number of cells that most of the first records have, of two as frequent ones the described."""
        start = self.dialect.header_lines
        first = (cells for _, cells in islice(self._records(), start, start + _FIRST_RECORDS))
        widths = Counter(len(cells) for cells in first if not isinstance(cells, csv.Error) and cells not in ([], [""]))
        return max(widths, key=lambda width: (widths[width], width == self.described), default=0)

    def _records(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """Return number of the first line and cells of each record, header and empty lines included."""
        dialect = self.dialect
        if not dialect.quote:
            return ((n, line.rstrip("\r\n").split(dialect.delimiter)) for n, line in enumerate(self._lines(), start=1))
        try:
            return QuotedRecords(self._lines(), dialect.delimiter, dialect.quote, limit=_LINE_LIMIT)
        except (TypeError, ValueError) as error:
            raise ClipbioError(f"{self.name}: this delimiter or quote cannot be used ({error})") from error

    def _lines(self) -> Iterator[str]:
        number, newline = 0, "\r" if self.dialect.line_end == "\r" else "\n"
        encoding = check_encoding(self.dialect.encoding)
        try:
            # Undecodable bytes become surrogates, so that they spoil one row and not the file.
            with io.TextIOWrapper(self.open(), encoding, errors="surrogateescape", newline=newline) as file:
                while line := file.readline(_LINE_LIMIT + 1):
                    number += 1
                    if len(line) > _LINE_LIMIT:
                        raise ClipbioError(f"{self.where(number)}: the line is longer than {_LINE_LIMIT} characters")
                    yield line
        except READ_ERRORS as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ClipbioError(f"{self.name}: after line {number} it cannot be read ({reason})") from error
