"""A source whose barcodes are looked at: one with a defect is taken out of its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clipbio.data.sources.base import Source
from clipbio.data.sources.wrapped import WrappedSource
from clipbio.data.specimen import Specimen
from clipbio.dna.quality import BarcodeRules, barcode_defects

__all__ = ["SoundBarcodes"]


class SoundBarcodes(WrappedSource):
    """Read a source without the barcodes that break rules.

    A rejected barcode is counted by its first defect. Its record stays if it has an image, and is left out if not.

    Args:
        source: The records.
        rules: What a barcode must be like.
    """

    def __init__(self, source: Source, rules: BarcodeRules) -> None:
        super().__init__(source)
        self.rules = rules

    @property
    def rule(self) -> str:
        """Tell the rules."""
        return str(self.rules)

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
