"""What makes two pictures or two barcodes the same: hashes of their content."""

from __future__ import annotations

import hashlib

from clipbio.dna.alphabet import BadBarcode, clean_bytes

__all__ = ["barcode_digest", "image_digest"]

_SIZE = 16


def image_digest(image: bytes | None) -> bytes:
    """Return the BLAKE2b hash (16 bytes) of an encoded image, empty without one."""
    return b"" if image is None else hashlib.blake2b(image, digest_size=_SIZE).digest()


def barcode_digest(dna: str) -> bytes:
    """Return the BLAKE2b hash (16 bytes) of a barcode, empty without one, or where all of it is gaps and unknown bases.

    What is hashed are the letters that models read (`clean_barcode`): case, gaps of an alignment, U for T, the signs
    for an unknown base and the padding at the end do not make two barcodes (the splits of BIOSCAN-5M are made in the
    same sense). Letters that are no nucleotides are hashed as they are: they are a barcode that cannot be read.
    """
    try:
        letters = clean_bytes(dna)
    except BadBarcode:
        letters = "".join(dna.split()).upper().encode()
    letters = letters.rstrip(b"N")
    return hashlib.blake2b(letters, digest_size=_SIZE).digest() if letters else b""
