"""Sources and records in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from clipbio.data.defects import Defects
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.taxonomy import Taxon


class ListSource:
    """A source of specimens that are there already."""

    def __init__(self, specimens: Sequence[Specimen]) -> None:
        self.specimens, self.defects = list(specimens), Defects()

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        yield from self.specimens

    def species_texts(self) -> Iterator[SpeciesText]:
        yield SpeciesText("", "Aus bus", "description", "A bus.")

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self.specimens).encode()).hexdigest()


def record(identity: str, name: str = "Aus bus", **values: object) -> Specimen:
    """Return a specimen by its id and binomial, with more values."""
    genus, _, species = name.partition(" ")
    return Specimen(identity, Taxon(genus=genus, species=species), **values)  # type: ignore[arg-type]
