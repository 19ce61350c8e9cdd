"""From encoded bytes to RGB pixels: by Pillow, the reference, or quickly out of a JPEG at a reduced scale.

libjpeg-turbo can leave the high frequencies of a JPEG out: half, a quarter or an eighth of each side takes a fraction
of the time that all pixels take. Sizes and places are told in pixels of the whole picture, so that both decoders are
asked the same. An orientation in EXIF is not applied by either.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from clipbio.data.images import MAX_PIXELS, rgb

__all__ = ["DECODERS", "MARGIN", "FastPicture", "Pixels", "Size", "reduction"]

DECODERS = ("fast", "pillow")
"""`fast`: JPEG by libjpeg-turbo at the scale that is needed, all else by Pillow. `pillow`: everything by Pillow."""

MARGIN = 2.0
"""Least size of a decoded crop, in sizes of the picture made of it: resizing still has two pixels to choose from."""

_REDUCTIONS = (8, 4, 2)
_COLOURS = ("YCbCr", "Gray", "RGB")
_JPEG_START = b"\xff\xd8\xff"

Pixels = npt.NDArray[np.uint8]


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class FastPicture:
    """A picture whose size is known at once, and whose pixels are decoded when it is known how many are needed.

    Raises:
        OSError: The bytes are no readable picture, as `images.opened` says.
        PIL.Image.DecompressionBombError: It has more pixels than are ever decoded.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._opened = None
        size = _jpeg_size(data)
        if size is None:
            self._opened = rgb(data)
            size = Size(*self._opened.size)
        self.size = size

    def pixels(self, crop: Size, target: Size) -> Pixels:
        """Return the pixels (height, width, 3) of the whole picture, possibly reduced.

        Args:
            crop: Size of the part that is wanted, in pixels of the whole picture.
            target: Size that this part is to have in the end.
        """
        if self._opened is None:
            pixels = _decode_jpeg(self._data, self.size, reduction(crop, target))
            if pixels is not None:
                return pixels
            # What libjpeg-turbo finds fault with Pillow may still read; if not, the error is Pillow's.
            self._opened = rgb(self._data)
        return np.array(self._opened)


def reduction(crop: Size, target: Size) -> int:
    """Return by how much each side may be reduced so that a crop keeps `MARGIN` times the size of its target."""
    room = min(crop.width / target.width, crop.height / target.height) / MARGIN
    return next((factor for factor in _REDUCTIONS if factor <= room), 1)


def _jpeg_size(data: bytes) -> Size | None:
    """Return the size of a JPEG in colours that libjpeg-turbo converts to RGB; None for anything else."""
    if not data.startswith(_JPEG_START):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _check_pixels(width, height)
    return Size(width, height) if colours in _COLOURS else None


def _decode_jpeg(data: bytes, size: Size, factor: int) -> Pixels | None:
    """Return the pixels with each side divided by `factor` and rounded up; None if the file is not faultless."""
    least = {"min_width": math.ceil(size.width / factor), "min_height": math.ceil(size.height / factor)}
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_factor=factor, **least)
    except ValueError:
        return None
    return pixels


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{width} x {height} pixels are more than {MAX_PIXELS}")
