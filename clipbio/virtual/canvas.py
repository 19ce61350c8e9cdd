"""A canvas in unit coordinates: x to the right and y down, both from 0 to 1, drawn larger and then reduced."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbio.virtual.geometry import Outline

__all__ = ["PARTS", "RGB", "Canvas", "encode", "mix"]

RGB = tuple[int, int, int]

PARTS = (
    *("leaf", "flower", "fruit", "stem", "root"),
    *("label", "ruler", "colour card", "tape", "flower card"),
)
"""What lies on a sheet: organs, then what is no plant. In a mask a part is its place here, counted from 1."""

_Ink = Callable[[RGB | None], RGB | int | None]


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """Blend two colours; `share` is the part of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


class Canvas:
    """Draw outlines, strokes, discs and words given as complex numbers.

    With `masked` all but hairs and words, which are finer than a pixel, is drawn a second time in the number of `part`:
    what lies on top covers what lies below there too.

    Attributes:
        part: Which of `PARTS` is being drawn, `""` for bare paper.
    """

    def __init__(self, image_size: int, background: RGB, *, supersample: int = 3, masked: bool = False) -> None:
        self._supersample = supersample
        self._scale = image_size * supersample
        side = (self._scale, self._scale)
        self._image = Image.new("RGB", side, background)
        self._pen = ImageDraw.Draw(self._image)
        self._numbers = Image.new("L", side) if masked else None
        self._number_pen = None if self._numbers is None else ImageDraw.Draw(self._numbers)
        self.part = ""

    def fill(self, outline: Outline, colour: RGB, edge: RGB | None = None) -> None:
        """Fill a closed outline."""
        for pen, ink in self._pens():
            pen.polygon(self._points(outline), fill=ink(colour), outline=ink(edge))

    def stroke(self, path: Outline, colour: RGB, width: float) -> None:
        """Draw an open path."""
        for pen, ink in self._pens():
            pen.line(self._points(path), fill=ink(colour), width=max(1, round(width * self._scale)))

    def hairs(self, starts: Outline, ends: Outline, colour: RGB) -> None:
        """Draw many separate hairlines."""
        pairs = (np.stack([starts, ends], axis=1) * self._scale).view(np.float64).tolist()
        for pair in pairs:
            self._pen.line(pair, fill=colour, width=1)

    def disc(self, centre: complex, radius: float, colour: RGB, edge: RGB | None = None) -> None:
        """Fill a circle."""
        x, y, reach = centre.real * self._scale, centre.imag * self._scale, radius * self._scale
        for pen, ink in self._pens():
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=ink(colour), outline=ink(edge))

    def box(self, corner: complex, size: complex, colour: RGB, edge: RGB | None = None) -> None:
        """Fill an upright rectangle."""
        far = corner + size
        xy = tuple(value * self._scale for value in (corner.real, corner.imag, far.real, far.imag))
        for pen, ink in self._pens():
            pen.rectangle(xy, fill=ink(colour), outline=ink(edge))

    def words(self, corner: complex, text: str, colour: RGB, *, height: float, width: float) -> None:
        """Write one line, made smaller where it would be wider than `width`."""
        size = round(height * self._scale)
        length = _font(size).getlength(text) / self._scale
        font = _font(size if length <= width else int(size * width / length))
        self._pen.text((corner.real * self._scale, corner.imag * self._scale), text, fill=colour, font=font)

    def pixels(self) -> np.ndarray:
        """Return the picture at its final size as uint8 (height, width, channel)."""
        return np.asarray(self._image.reduce(self._supersample))

    def numbers(self) -> np.ndarray | None:
        """Return the number of the part that the middle of each pixel shows as uint8 (height, width), if masked."""
        if self._numbers is None:
            return None
        step = self._supersample
        return np.asarray(self._numbers)[step // 2 :: step, step // 2 :: step]

    def _pens(self) -> Iterator[tuple[ImageDraw.ImageDraw, _Ink]]:
        """Yield what draws, and how it turns a colour into its ink."""
        yield self._pen, lambda colour: colour
        if self._number_pen is not None:
            number = PARTS.index(self.part) + 1 if self.part else 0
            yield self._number_pen, lambda colour: None if colour is None else number

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
