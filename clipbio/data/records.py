"""Records that were read lately, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from clipbio.data.specimen import Specimen

__all__ = ["RecordCache"]

# Python's objects around a record whose fields are short.
_OBJECTS = 2_000


class RecordCache:
    """Specimens without their pictures, the least recently used one forgotten first; not sent to workers.

    Args:
        limit: Bytes that they may take, about.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._records: OrderedDict[int, tuple[Specimen, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, row: int) -> Specimen | None:
        """Return the record of a row, if it is here."""
        if row not in self._records:
            return None
        self._records.move_to_end(row)
        return self._records[row][0]

    def put(self, row: int, specimen: Specimen, size: int) -> None:
        """Keep a record that was read from so many bytes."""
        self._records[row] = (specimen, size + _OBJECTS)
        self.used += size + _OBJECTS
        while self.used > self.limit:
            self.used -= self._records.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget all."""
        self._records.clear()
        self.used = 0

    def __reduce__(self) -> tuple[type[RecordCache], tuple[int]]:
        return RecordCache, (self.limit,)
