"""What makes two pictures or two barcodes the same: hashes of their content."""

from __future__ import annotations

import hashlib

__all__ = ["barcode_digest", "image_digest"]

_SIZE = 16


def image_digest(image: bytes | None) -> bytes:
    """Return the BLAKE2b hash (16 bytes) of an encoded image, empty without one."""
    return b"" if image is None else hashlib.blake2b(image, digest_size=_SIZE).digest()


def barcode_digest(dna: str) -> bytes:
    """Return the BLAKE2b hash (16 bytes) of a barcode, empty without one.

    Case, gaps of an alignment, its sign for an unknown base and the padding at the end do not make two barcodes (the
    splits of BIOSCAN-5M are made in the same sense).
    """
    letters = "".join(dna.split()).upper().replace("-", "").replace("?", "N").rstrip("N")
    return hashlib.blake2b(letters.encode(), digest_size=_SIZE).digest() if letters else b""
