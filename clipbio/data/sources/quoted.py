"""Records of text whose cells may be quoted and hold line ends: a quote that is never closed costs one line."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator

from clipbio.data.defects import Defects

__all__ = ["LINE_LIMIT", "QuotedRecords", "count_swallowed"]

LINE_LIMIT = 16 * 2**20
"""Largest number of characters in a line, and in a record."""

_LINES_OF_A_RECORD = 1000


class QuotedRecords:
    """Number of the first line, and cells or error, of each record; empty lines are records without cells.

    After an error the next record is that of the line after the first one.

    Args:
        lines: The lines with their ends.
        delimiter: What stands between two cells.
        quote: What encloses cells.
        limit: Largest number of characters in a record.

    Raises:
        TypeError, ValueError: Delimiter or quote cannot be used.
    """

    def __init__(self, lines: Iterator[str], delimiter: str, quote: str = '"', limit: int = LINE_LIMIT) -> None:
        # The limit of the csv module, 128 KiB a field, is below long descriptions and genomes.
        csv.field_size_limit(LINE_LIMIT)
        self._lines, self._limit = lines, limit
        self._marks = delimiter, quote
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []
        self._first = 1
        self._start()

    def __iter__(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        return self

    def __next__(self) -> tuple[int, list[str] | csv.Error]:
        self._first += len(self._taken)
        self._taken.clear()
        number = self._first
        try:
            return number, next(self._reader)
        except csv.Error as error:
            lines = len(self._taken)
            hint = f"; {lines} lines are one record then: is a quote of the first not closed?" if lines > 1 else ""
            self.back()
            return number, csv.Error(f"{error}{hint}")

    @property
    def lines(self) -> int:
        """Count the lines of the last record."""
        return len(self._taken)

    def swallows(self, width: int) -> bool:
        """Tell whether a line of the last record, after its first, looks like a row of that many cells itself."""
        mark = self._marks[0]
        # A comma before a blank is one of prose.
        return any(line.count(mark) - line.count(f"{mark} ") == width - 1 > 0 for line in self._taken[1:])

    def back(self) -> None:
        """Go back to the line after the first one of the last record."""
        self._waiting.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
        self._start()

    def _start(self) -> None:
        delimiter, quote = self._marks
        # Strict, since a quote that is never closed would otherwise swallow the rows behind it unseen.
        self._reader = csv.reader(self._feed(), delimiter=delimiter, quotechar=quote, strict=True)

    def _feed(self) -> Iterator[str]:
        size = 0
        while (line := self._waiting.popleft() if self._waiting else next(self._lines, None)) is not None:
            size = size + len(line) if self._taken else len(line)
            self._taken.append(line)
            if size > self._limit or len(self._taken) > _LINES_OF_A_RECORD:
                raise csv.Error("the record is too long")
            yield line


def count_swallowed(
    records: Iterator[tuple[int, list[str] | csv.Error]], cells: int, width: int, where: str, defects: Defects
) -> None:
    """Count what is wrong with the width of the last record, and with the lines that it holds.

    A wrong record that holds what looks like rows is read anew from its second line; a right one is kept.
    """
    lines = records.lines if isinstance(records, QuotedRecords) else 1
    swallows = isinstance(records, QuotedRecords) and lines > 1 and records.swallows(width)
    if cells != width:
        hint = f"; it spans {lines} lines: is a quote not closed?" if lines > 1 else ""
        defects.add("wrong_width", where, f"{cells} cells instead of {width}{hint}")
        if isinstance(records, QuotedRecords) and swallows:
            records.back()
    elif swallows:
        message = f"the quotes enclose {lines} lines, of which some look like rows: is a quote not closed?"
        defects.add("quoted_rows", where, message, skipped=False)
