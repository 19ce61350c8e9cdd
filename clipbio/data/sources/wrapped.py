"""What sources share that change the records of another one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.base import HasSideFiles, Source, expected_total
from clipbio.data.specimen import SpeciesText, Specimen

__all__ = ["WrappedSource"]


class WrappedSource(ABC):
    """Read a source by a rule; all but the records is that of the source.

    Args:
        source: The records.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    @abstractmethod
    def __iter__(self) -> Iterator[Specimen]: ...

    @property
    @abstractmethod
    def rule(self) -> str:
        """Say what is done to the records; with the content of the source it makes up the fingerprint."""

    @property
    def defects(self) -> Defects:
        """Give the defects of the source, and those that the rule finds."""
        return self.source.defects

    @defects.setter
    def defects(self, defects: Defects) -> None:
        self.source.defects = defects

    @property
    def total(self) -> int | None:
        """Give the number of records of the source, if it knows it."""
        return expected_total(self.source)

    def species_texts(self) -> Iterable[SpeciesText]:
        """Give those of the source."""
        return self.source.species_texts()

    def fingerprint(self) -> str:
        """Hash the content of the source and the rule."""
        return hashlib.blake2b(f"{self.source.fingerprint()}:{self.rule}".encode(), digest_size=16).hexdigest()

    def write_side_files(self, folder: Path) -> None:
        """Write what the source itself has to write."""
        if isinstance(self.source, HasSideFiles):
            self.source.write_side_files(folder)
