"""Answers for the console: of the first pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

__all__ = ["AnswerTable"]

_SHOWN_PICTURES = 50

Row = dict[str, Any]


class AnswerTable:
    """Rows of the first pictures, and how many pictures more there are."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.left_out = 0
        self.pictures: set[str] = set()

    def write(self, rows: Sequence[Row]) -> None:
        """Take answers."""
        for row in rows:
            new = row["picture"] not in self.pictures
            if new and len(self.pictures) == _SHOWN_PICTURES:
                self.left_out += row["place"] == 1
                continue
            self.pictures.add(row["picture"])
            self.rows.append(row)

    def rich(self) -> Table:
        """Return the table."""
        caption = f"{self.left_out:,} pictures more: give out=FILE.csv" if self.left_out else None
        table = Table("picture", "%", "rank", "name", "common name", caption=caption)
        for row in self.rows:
            first = row["place"] == 1
            name = Path(row["picture"]).name if first else ""
            cells = (name, f"{100 * row['probability']:.1f}", row["rank"], row["name"], row["common_name"])
            table.add_row(*map(escape, cells))
        return table
