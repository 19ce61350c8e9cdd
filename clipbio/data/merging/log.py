"""The conflict log: what was given, what was chosen, and why, one line for all records of which it is true."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipbio.data.merging.resolving import Note
from clipbio.taxonomy import RANKS

__all__ = ["COLUMNS", "CONFLICTS", "ConflictLog"]

CONFLICTS = "conflicts.csv"
COLUMNS = ("source", "name", "rank", "given", "chosen", "reason", "suggestion", "records", "first_ids")
_KEPT_IDS = 3


@dataclass
class _Line:
    records: int = 0
    first_ids: list[str] = field(default_factory=list)


@dataclass
class ConflictLog:
    """Conflicts, counted by what they say.

    Args:
        sources: Names of the sources in their order.
    """

    sources: Sequence[str]
    _lines: dict[tuple[str, str, Note], _Line] = field(default_factory=dict)

    def add(self, source: str, id_: str, name: str, note: Note) -> None:
        """Count one record for a line.

        Args:
            source: Name of its source.
            id_: Its id in the merged set.
            name: The name that it has in the merged set.
            note: What the line says.
        """
        line = self._lines.setdefault((source, name, note), _Line())
        line.records += 1
        if len(line.first_ids) < _KEPT_IDS:
            line.first_ids.append(id_)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def counts(self) -> dict[str, int]:
        """Give the number of lines of each reason."""
        counts: dict[str, int] = {}
        for _, _, note in self._lines:
            counts[note.reason] = counts.get(note.reason, 0) + 1
        return dict(sorted(counts.items()))

    def rows(self) -> list[dict[str, str]]:
        """Return the lines as cells, ordered by source, name, rank and what was given."""
        rows = []
        for source, name, note in sorted(self._lines, key=self._place):
            line = self._lines[source, name, note]
            cells = (source, name, note.rank, note.given, note.chosen, note.reason, note.suggestion)
            rows.append(dict(zip(COLUMNS, (*cells, str(line.records), " ".join(line.first_ids)))))
        return rows

    def save(self, folder: Path) -> None:
        """Write `conflicts.csv`, a header alone if there was no conflict."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        (folder / CONFLICTS).write_text(text.getvalue(), "utf-8", newline="")

    def _place(self, key: tuple[str, str, Note]) -> tuple[int, str, int, str, str, str, str]:
        source, name, note = key
        rank = RANKS.index(note.rank)
        return self.sources.index(source), name, rank, note.given, note.reason, note.chosen, note.suggestion
