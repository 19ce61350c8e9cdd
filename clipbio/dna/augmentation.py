"""Other readings of the same barcode, for training."""

from __future__ import annotations

from clipbio.dna.alphabet import reverse_complement
from clipbio.errors import ClipbioError
from clipbio.seeding import rng

__all__ = ["BarcodeAugmentation"]


class BarcodeAugmentation:
    """Shift the frame of the k-mers, or read the other strand; a pure function of barcode and seed.

    Args:
        offset: Up to `offset - 1` bases are left out in front, each number as often as the others; 0 leaves out none.
            Give the tokenizer's `k`: without overlap each frame gives other tokens (BarcodeBERT trains so).
        reverse_complement: Probability of reading the other strand.
    """

    def __init__(self, *, offset: int = 0, reverse_complement: float = 0.0) -> None:
        if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
            raise ClipbioError(
                f"barcode_augmentation.offset={offset} must be a number of bases, such as the k of the tokenizer, or 0"
            )
        if not 0 <= reverse_complement <= 1:
            raise ClipbioError(
                f"barcode_augmentation.reverse_complement={reverse_complement} must be a probability, from 0 to 1"
            )
        self.offset, self.reverse_complement = offset, reverse_complement

    @property
    def random(self) -> bool:
        """Tell whether two seeds may give different barcodes."""
        return self.offset > 1 or self.reverse_complement > 0

    def __call__(self, sequence: str, seed: int) -> str:
        """Return a barcode as training sees it; it keeps at least one base."""
        if not self.random or not sequence:
            return sequence
        draw = rng("barcode", seed)
        if draw.random() < self.reverse_complement:
            sequence = reverse_complement(sequence)
        dropped = int(draw.integers(self.offset)) if self.offset else 0
        return sequence[min(dropped, len(sequence) - 1) :]

    def __repr__(self) -> str:
        return f"BarcodeAugmentation(offset={self.offset}, reverse_complement={self.reverse_complement})"
