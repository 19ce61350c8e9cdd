"""Rows by key, for joining tables larger than memory: a private SQLite file that vanishes when it is closed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from types import TracebackType
from typing import Any

__all__ = ["RowStore"]

_CACHE_KIB = 65_536


class RowStore:
    """Rows kept under keys; beyond 64 MiB they lie in a temporary file instead of in memory."""

    def __init__(self) -> None:
        # The empty name is SQLite's own temporary file: private, and gone with the connection.
        self._rows = sqlite3.connect("", isolation_level=None)
        for setting in (f"cache_size=-{_CACHE_KIB}", "journal_mode=OFF", "synchronous=OFF", "temp_store=FILE"):
            self._rows.execute(f"PRAGMA {setting}")
        self._rows.execute("CREATE TABLE rows (key TEXT, value TEXT)")

    def __enter__(self) -> RowStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._rows.close()

    def fill(self, rows: Iterable[tuple[str, Any]]) -> int:
        """Store rows, each a key and a value that JSON can hold, and return their number; later ones cannot follow."""
        self._rows.execute("BEGIN")
        self._rows.executemany("INSERT INTO rows VALUES (?, ?)", ((key, json.dumps(value)) for key, value in rows))
        self._rows.execute("COMMIT")
        self._rows.execute("CREATE INDEX by_key ON rows (key)")
        count: int = self._rows.execute("SELECT COUNT(*) FROM rows").fetchone()[0]
        return count

    def of(self, key: str) -> list[Any]:
        """Return the values of a key in the order they were stored."""
        found = self._rows.execute("SELECT value FROM rows WHERE key = ? ORDER BY rowid", (key,))
        return [json.loads(value) for (value,) in found]
