"""What a laboratory makes of a barcode: wrong bases, ambiguity codes, runs of N and missing ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipbio.virtual.evolution import BASES, Bases

__all__ = ["SequencingRates", "read_barcode"]

# Codes of two bases that hold each base (IUPAC).
_CODES = {"A": "RMW", "C": "YMS", "G": "RKS", "T": "YKW"}
_MOST_CODES, _LONGEST_GAP, _LONGEST_CUT = 6, 60, 120


@dataclass(frozen=True, slots=True)
class SequencingRates:
    """How barcodes are read.

    Args:
        errors: Wrong bases, in % of the sites.
        ambiguous: Share of the barcodes with one to six IUPAC codes of two bases.
        gaps: Share of the barcodes with a run of 2 to 60 N.
        cut: Share of the barcodes that lack up to 120 bases at an end.
    """

    errors: float = 0.0
    ambiguous: float = 0.0
    gaps: float = 0.0
    cut: float = 0.0


def read_barcode(bases_L: Bases, rates: SequencingRates, random: np.random.Generator) -> str:
    """Return the letters that are read of a barcode."""
    wrong = random.random(len(bases_L)) < rates.errors / 100
    bases_L = np.where(wrong, (bases_L + random.integers(1, 4, size=len(bases_L))) % 4, bases_L)
    letters = [BASES[base] for base in bases_L.tolist()]
    if random.random() < rates.ambiguous:
        for site in random.choice(len(letters), size=int(random.integers(1, _MOST_CODES + 1)), replace=False).tolist():
            letters[site] = _CODES[letters[site]][int(random.integers(3))]
    if random.random() < rates.gaps:
        length = int(random.integers(2, _LONGEST_GAP + 1))
        start = int(random.integers(len(letters) - length))
        letters[start : start + length] = "N" * length
    if random.random() < rates.cut:
        length = int(random.integers(1, _LONGEST_CUT + 1))
        letters = letters[length:] if random.random() < 0.5 else letters[:-length]
    return "".join(letters)
