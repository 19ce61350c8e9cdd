"""A source whose barcodes are looked at: one with a defect is taken out of its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.base import HasSideFiles, Source, expected_total
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.dna.quality import BarcodeRules, barcode_defects

__all__ = ["SoundBarcodes"]


class SoundBarcodes:
    """Read a source without the barcodes that break rules.

    A rejected barcode is counted by its first defect. Its record stays if it has an image, and is left out if not.

    Args:
        source: The records.
        rules: What a barcode must be like.
    """

    def __init__(self, source: Source, rules: BarcodeRules) -> None:
        self.source, self.rules = source, rules

    @property
    def defects(self) -> Defects:
        """Give the defects of the source, and those of its barcodes."""
        return self.source.defects

    @defects.setter
    def defects(self, defects: Defects) -> None:
        self.source.defects = defects

    @property
    def total(self) -> int | None:
        """Give the number of records of the source, if it knows it."""
        return expected_total(self.source)

    def __iter__(self) -> Iterator[Specimen]:
        for number, specimen in enumerate(self.source, start=1):
            found = barcode_defects(specimen.dna, self.rules) if specimen.dna else ()
            if not found:
                yield specimen
                continue
            where = f"specimen '{specimen.id}' (record {number})"
            self.defects.add(found[0].kind, where, found[0].message, skipped=specimen.image is None)
            if specimen.image is not None:
                yield replace(specimen, dna="")

    def species_texts(self) -> Iterable[SpeciesText]:
        """Give those of the source."""
        return self.source.species_texts()

    def fingerprint(self) -> str:
        """Hash the content of the source and the rules."""
        return hashlib.blake2b(f"{self.source.fingerprint()}:{self.rules}".encode(), digest_size=16).hexdigest()

    def write_side_files(self, folder: Path) -> None:
        """Write what the source itself has to write."""
        if isinstance(self.source, HasSideFiles):
            self.source.write_side_files(folder)
