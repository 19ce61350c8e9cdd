"""Barcodes: letters, tokens, augmentation, quality."""

from clipbio.dna.alphabet import BadBarcode, clean_barcode, reverse_complement
from clipbio.dna.augmentation import BarcodeAugmentation
from clipbio.dna.tokenizer import BarcodeTokenizer

__all__ = ["BadBarcode", "BarcodeAugmentation", "BarcodeTokenizer", "clean_barcode", "reverse_complement"]
