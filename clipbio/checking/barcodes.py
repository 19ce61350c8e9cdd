"""What a check remembers of barcodes."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import numpy as np

from clipbio.checking.texts import quantiles
from clipbio.dna.alphabet import BASES, BadBarcode
from clipbio.dna.quality import USUAL_RULES, barcode_quality

__all__ = ["BarcodeCounts"]


class BarcodeCounts:
    """Lengths, letters and defects of barcodes."""

    def __init__(self) -> None:
        self._letters: Counter[str] = Counter()
        self._defects: Counter[str] = Counter()
        self._length, self._ambiguous = array("i"), array("d")
        self._barcodes = self._sound = 0

    def add(self, sequence: str) -> str:
        """Count a barcode; return what is wrong with one whose letters are no nucleotides."""
        self._barcodes += 1
        self._letters.update(sequence.upper())
        try:
            quality = barcode_quality(sequence)
        except BadBarcode as error:
            self._defects["bad_barcode"] += 1
            return str(error)
        self._length.append(quality.length)
        self._ambiguous.append(quality.ambiguous)
        found = [defect.kind for defect in USUAL_RULES.broken_by(quality)]
        self._defects.update(found)
        self._sound += not found
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the part of `check.json` on barcodes; lengths and shares are those of sequences of nucleotides."""
        bases = sum(self._letters[letter] for letter in f"{BASES}U")
        letters = self._letters.total() - sum(self._letters[letter] for letter in "-. ")
        return {
            "barcodes": self._barcodes,
            "sound": self._sound,
            "defects": dict(self._defects.most_common()),
            "length": quantiles(np.array(self._length, np.int64)),
            "ambiguous": quantiles(np.array(self._ambiguous)),
            "letters": dict(self._letters.most_common()),
            "ambiguous_share": 1 - bases / letters if letters else 0.0,
        }
