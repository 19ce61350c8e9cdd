"""What every source offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Protocol, runtime_checkable

from clipbio.data.defects import Defects
from clipbio.data.specimen import SpeciesText, Specimen

__all__ = ["HasSideFiles", "Source", "expected_total"]


class Source(Protocol):
    """One format people bring, read as specimens.

    A record that cannot be used is skipped and counted in `defects`, which starts anew with each iteration. A source
    that knows how many records it has tells it by `__len__` or by an attribute `total`.
    """

    defects: Defects

    def __iter__(self) -> Iterator[Specimen]: ...

    def species_texts(self) -> Iterable[SpeciesText]:
        """Give the texts that belong to species instead of to specimens."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of the content: the key under which prepared shards are kept."""
        ...


@runtime_checkable
class HasSideFiles(Protocol):
    """A source that has more to tell than specimens and texts."""

    def write_side_files(self, folder: Path) -> None:
        """Write files into the shard folder, the same bytes each time; the manifest lists them."""
        ...


def expected_total(source: Source) -> int | None:
    """Return the number of records, unusable ones included, where the source knows it."""
    total = getattr(source, "total", None)
    if isinstance(total, int):
        return total
    return len(source) if isinstance(source, Sized) else None
