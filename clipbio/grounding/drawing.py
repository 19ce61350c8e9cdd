"""A heat map on its picture, as PNG."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from clipbio.data.images import encode
from clipbio.grounding.heat import Heat, stretched

__all__ = ["overlay"]

# Light and dark in step with the value, also for those who see few colours.
_COLOURS = "inferno"
_STRENGTH = 0.85
_LARGEST_SIDE = 2048
_MARK = (255, 255, 255)


def overlay(
    picture: Image.Image, heat: Heat, text: int = 0, *, side: int = 512, box: bool = False, peak: bool = False
) -> bytes:
    """Return a PNG of a picture, greyed, with one of its maps over it: the hotter, the more of the colour is seen.

    Args:
        picture: The picture that was asked.
        heat: Its maps, stretched from the coldest to the hottest place.
        text: Which of the maps.
        side: The longer side of the result in pixels, at most 2048.
        box: Draw the box round the peak.
        peak: Mark the peak.
    """
    width, height = picture.size
    scale = min(side, _LARGEST_SIDE) / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    map_YX = Image.fromarray(stretched(heat.maps_TYX[text])).resize(size, Image.Resampling.BILINEAR)
    heat_YX = np.asarray(map_YX).clip(0, 1)
    colour_YXC = colormaps[_COLOURS](heat_YX)[..., :3] * 255
    grey_YX = np.asarray(picture.convert("L").resize(size, Image.Resampling.BICUBIC), np.float32)
    share_YX1 = (_STRENGTH * np.sqrt(heat_YX))[..., None]
    mixed = (1 - share_YX1) * grey_YX[..., None] + share_YX1 * colour_YXC
    drawn = Image.fromarray(mixed.round().astype(np.uint8))
    _mark(ImageDraw.Draw(drawn), heat, text, scale=scale, box=box, peak=peak)
    return encode(drawn, "PNG")


def _mark(pen: ImageDraw.ImageDraw, heat: Heat, text: int, *, scale: float, box: bool, peak: bool) -> None:
    if box:
        pen.rectangle([scale * one for one in heat.box(text)], outline=_MARK, width=2)
    if peak:
        place, reach = heat.peak(text), 5
        x, y = scale * place.x, scale * place.y
        pen.line((x - reach, y, x + reach, y), fill=_MARK, width=2)
        pen.line((x, y - reach, x, y + reach), fill=_MARK, width=2)
