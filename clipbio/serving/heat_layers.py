"""A map of where words are as a layer to be laid over the picture.

Shape suffixes: Y and X cells of a map or pixels of a layer, C colours.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from clipbio.data.images import encode
from clipbio.search.query import Array

__all__ = ["SIDE", "layer"]

SIDE = 512
"""Longest side of a layer in pixels: maps are coarse, and browsers smooth what they stretch."""
# From cool to hot. Paper is white and plants are green: both stay apart from these.
_COLOURS = np.array([(255, 226, 110), (253, 141, 40), (215, 30, 30), (120, 0, 60)], np.float32)
_STRENGTH = 0.82


def layer(map_YX: Array, size: tuple[int, int]) -> bytes:
    """Return a map as a PNG of the shape of a picture: clear below its median, strongest where it is hottest.

    Args:
        map_YX: Covers the whole picture; higher is hotter.
        size: Width and height of the picture.
    """
    scale = SIDE / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    heat = Image.fromarray(_above_median(map_YX)).resize((width, height), Image.Resampling.BICUBIC)
    heat_YX = np.asarray(heat).clip(0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    colour = [np.interp(heat_YX, stops, _COLOURS[:, channel]) for channel in range(3)]
    pixels_YXC = np.stack([*colour, 255 * _STRENGTH * np.sqrt(heat_YX)], axis=-1)
    return encode(Image.fromarray(pixels_YXC.round().astype(np.uint8), "RGBA"), "PNG")


def _above_median(map_YX: Array) -> Array:
    """Return a map from 0 at its median to 1 at its hottest place; one that is the same everywhere is 0."""
    low, high = float(np.median(map_YX)), float(np.max(map_YX))
    share_YX = (np.asarray(map_YX, np.float32) - low) / ((high - low) or 1.0)
    return np.asarray(share_YX.clip(0, 1), np.float32)
