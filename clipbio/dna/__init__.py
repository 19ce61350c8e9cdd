"""Barcodes: letters, tokens, augmentation, quality."""

from clipbio.dna.alphabet import BadBarcode, clean_barcode, reverse_complement
from clipbio.dna.augmentation import BarcodeAugmentation
from clipbio.dna.quality import BarcodeRules, barcode_defects, barcode_quality
from clipbio.dna.tokenizer import BarcodeTokenizer

__all__ = [
    "BadBarcode",
    "BarcodeAugmentation",
    "BarcodeRules",
    "BarcodeTokenizer",
    "barcode_defects",
    "barcode_quality",
    "clean_barcode",
    "reverse_complement",
]
