"""Is this a sound barcode: length, unknown bases, stop codons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from Bio.Data.CodonTable import unambiguous_dna_by_id

from clipbio.dna.alphabet import BASES, BadBarcode, clean_barcode
from clipbio.errors import ClipbioError

__all__ = ["USUAL_RULES", "BarcodeDefect", "BarcodeQuality", "BarcodeRules", "barcode_defects", "barcode_quality"]

_CODE = 5
"""Number of the invertebrate mitochondrial code at NCBI: TGA codes for tryptophan, AGA and AGG for serine."""
_STOP = re.compile(f"(?={'|'.join(sorted(unambiguous_dna_by_id[_CODE].stop_codons))})")


@dataclass(frozen=True, slots=True)
class BarcodeQuality:
    """What a barcode is like.

    Args:
        length: Letters between the first and the last known base, gaps left out.
        ambiguous: Share of these letters that are not A, C, G or T.
        stop_codons: Stop codons of the invertebrate mitochondrial code in the best of the three frames. One and more
            tell of a pseudogene, of a lost or doubled base, of the other strand, or of another gene.
    """

    length: int
    ambiguous: float
    stop_codons: int


@dataclass(frozen=True, slots=True)
class BarcodeDefect:
    """One thing that is wrong with a barcode."""

    kind: str
    message: str


@dataclass(frozen=True, kw_only=True)
class BarcodeRules:
    """What counts as a defect.

    Args:
        min_length: Shorter barcodes are defects; None takes any length.
        max_ambiguous: Barcodes with a larger share of letters other than ACGT are defects; None takes any.
        stop_codons: Whether a stop codon is a defect (`reject`) or not (`keep`). Only for genes in the
            invertebrate mitochondrial code, as COI of insects: never for ITS, 16S, or the plastid markers of plants.
    """

    min_length: int | None = None
    max_ambiguous: float | None = None
    stop_codons: Literal["keep", "reject"] = "keep"

    def __post_init__(self) -> None:
        length, share = self.min_length, self.max_ambiguous
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise ClipbioError(f"barcodes.min_length={length} must be a number of bases, or null")
        if share is not None and (isinstance(share, bool | str) or not 0 <= share <= 1):
            raise ClipbioError(f"barcodes.max_ambiguous={share} must be a share from 0 to 1, or null")
        if self.stop_codons not in ("keep", "reject"):
            raise ClipbioError(f"barcodes.stop_codons={self.stop_codons} must be keep or reject")

    @property
    def reject_nothing(self) -> bool:
        """Tell whether every barcode passes."""
        return self == BarcodeRules()

    def broken_by(self, quality: BarcodeQuality) -> Iterator[BarcodeDefect]:
        """Yield what is wrong with a barcode of nucleotides."""
        if self.min_length is not None and quality.length < self.min_length:
            yield BarcodeDefect("short_barcode", f"{quality.length} bases, fewer than {self.min_length}")
        if self.max_ambiguous is not None and quality.ambiguous > self.max_ambiguous:
            share = f"{quality.ambiguous:.1%} of the bases are not A, C, G or T"
            yield BarcodeDefect("ambiguous_barcode", f"{share}, more than {self.max_ambiguous:.1%}")
        if self.stop_codons == "reject" and quality.stop_codons:
            codons = f"{quality.stop_codons} stop codon{'s' * (quality.stop_codons > 1)}"
            yield BarcodeDefect("stop_codons", f"{codons} in the best of three frames")


USUAL_RULES = BarcodeRules(min_length=500, max_ambiguous=0.01, stop_codons="reject")
"""What BOLD asks of a COI barcode that founds a BIN: Ratnasingham and Hebert 2013, doi:10.1371/journal.pone.0066213."""


def barcode_quality(sequence: str) -> BarcodeQuality:
    """Return what a barcode is like; it may be aligned.

    Raises:
        BadBarcode: If a letter is no nucleotide.
    """
    columns = clean_barcode(sequence, gaps="keep").strip("N-")
    letters = columns.replace("-", "")
    known = sum(map(letters.count, BASES))
    return BarcodeQuality(len(letters), 1 - known / len(letters) if letters else 0.0, _stop_codons(columns))


def barcode_defects(sequence: str, rules: BarcodeRules = USUAL_RULES) -> tuple[BarcodeDefect, ...]:
    """Return all that is wrong with a barcode; one that holds other letters than nucleotides is `bad_barcode` alone."""
    try:
        return tuple(rules.broken_by(barcode_quality(sequence)))
    except BadBarcode as error:
        return (BarcodeDefect("bad_barcode", str(error)),)


def _stop_codons(columns: str) -> int:
    """Count in the best frame. Gaps stay: a stretch that was not sequenced does not shift the frame behind it."""
    frames = [0, 0, 0]
    for found in _STOP.finditer(columns):
        frames[found.start() % 3] += 1
    return min(frames)
