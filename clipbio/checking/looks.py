"""One look at an image: its header, its bytes and its perceptual hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageOps

from clipbio.data import images

__all__ = ["FINGERPRINT_BYTES", "HASH_BYTES", "Look", "look"]

HASH_BYTES = 8 + 32
_THUMBNAIL = 24
FINGERPRINT_BYTES = HASH_BYTES + _THUMBNAIL**2
_SIDE = 256
# Grey levels: below, hashes of the pixels would be hashes of noise.
_LEAST_CONTRAST = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one image is.

    Args:
        width: Stored width in pixels.
        height: Stored height in pixels.
        format: Pillow's name of the format.
        mode: Pillow's name of the pixel mode, empty where the image was not decoded.
        num_bytes: Encoded size.
        digest: BLAKE2b of the bytes, 16 bytes long.
        fingerprint: Perceptual hashes of 64 and of 256 bits, and 24 x 24 grey pixels; empty where none was made.
        blank: Whether all pixels are nearly the same.
    """

    width: int
    height: int
    format: str
    mode: str
    num_bytes: int
    digest: bytes
    fingerprint: bytes = b""
    blank: bool = False


def look(data: bytes, mask: bytes | None = None, *, decode: bool, hashed: bool) -> Look:
    """Look at an image; `BadImageError` if it, or its mask, is damaged.

    Args:
        data: The encoded image.
        mask: Its encoded mask.
        decode: Decode both; JPEGs at reduced scale, which reads all of them.
        hashed: Make the perceptual hashes too.
    """
    header = images.inspect(data)
    digest = hashlib.blake2b(data, digest_size=16).digest()
    found = (header.width, header.height, header.format)
    if not decode:
        return Look(*found, "", len(data), digest)
    if mask is not None:
        images.decode(mask).close()
    with images.decode(data, side=_SIDE) as image:
        if not hashed:
            return Look(*found, image.mode, len(data), digest)
        grey = _grey(image)
        blank = float(np.asarray(grey).std()) < _LEAST_CONTRAST
        return Look(*found, image.mode, len(data), digest, b"" if blank else _fingerprint(grey), blank)


def _grey(image: Image.Image) -> Image.Image:
    """Return a small grey copy, turned as a viewer would show it."""
    grey = images.eight_bits(image).convert("L")
    grey.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return ImageOps.exif_transpose(grey)


def _fingerprint(grey: Image.Image) -> bytes:
    """Return the hash by which copies are sought, and the finer one and the pixels by which they are confirmed."""
    hashes = (imagehash.phash(grey, hash_size=size).hash for size in (8, 16))
    thumbnail = grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    return b"".join(np.packbits(bits.ravel()).tobytes() for bits in hashes) + thumbnail.tobytes()
