"""A canvas in unit coordinates: x to the right and y down, both from 0 to 1, drawn larger and then reduced."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbio.virtual.geometry import Outline

__all__ = ["RGB", "Canvas", "encode", "mix"]

RGB = tuple[int, int, int]


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """Blend two colours; `share` is the part of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


class Canvas:
    """Draw outlines, strokes, discs and words given as complex numbers."""

    def __init__(self, image_size: int, background: RGB, *, supersample: int = 3) -> None:
        self._supersample = supersample
        self._scale = image_size * supersample
        self._image = Image.new("RGB", (self._scale, self._scale), background)
        self._pen = ImageDraw.Draw(self._image)

    def fill(self, outline: Outline, colour: RGB, edge: RGB | None = None) -> None:
        """Fill a closed outline."""
        self._pen.polygon(self._points(outline), fill=colour, outline=edge)

    def stroke(self, path: Outline, colour: RGB, width: float) -> None:
        """Draw an open path."""
        self._pen.line(self._points(path), fill=colour, width=max(1, round(width * self._scale)))

    def hairs(self, starts: Outline, ends: Outline, colour: RGB) -> None:
        """Draw many separate hairlines."""
        pairs = (np.stack([starts, ends], axis=1) * self._scale).view(np.float64).tolist()
        for pair in pairs:
            self._pen.line(pair, fill=colour, width=1)

    def disc(self, centre: complex, radius: float, colour: RGB, edge: RGB | None = None) -> None:
        """Fill a circle."""
        x, y, reach = centre.real * self._scale, centre.imag * self._scale, radius * self._scale
        self._pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour, outline=edge)

    def box(self, corner: complex, size: complex, colour: RGB, edge: RGB | None = None) -> None:
        """Fill an upright rectangle."""
        far = corner + size
        xy = tuple(value * self._scale for value in (corner.real, corner.imag, far.real, far.imag))
        self._pen.rectangle(xy, fill=colour, outline=edge)

    def words(self, corner: complex, text: str, colour: RGB, *, height: float, width: float) -> None:
        """Write one line, made smaller where it would be wider than `width`."""
        size = round(height * self._scale)
        length = _font(size).getlength(text) / self._scale
        font = _font(size if length <= width else int(size * width / length))
        self._pen.text((corner.real * self._scale, corner.imag * self._scale), text, fill=colour, font=font)

    def pixels(self) -> np.ndarray:
        """Return the picture at its final size as uint8 (height, width, channel)."""
        return np.asarray(self._image.reduce(self._supersample))

    def _points(self, path: Outline) -> list[float]:
        points: list[float] = (np.ascontiguousarray(path, dtype=np.complex128) * self._scale).view(np.float64).tolist()
        return points


# Pillow unpacks its embedded font anew at every call.
@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(4, size))


def encode(pixels: np.ndarray) -> bytes:
    """Encode a picture as JPEG with every parameter fixed."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, subsampling=0, optimize=False, progressive=False)
    return stream.getvalue()
