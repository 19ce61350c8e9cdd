"""Between a picture and what a model sees of it: masks brought into a view, maps brought back.

The view is that of `ImageTransform` in evaluation: resized, then cut out of the middle or padded. H height and W width
of the picture, h and w of the view or of a map over it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clipbio.data.decoding import Size
from clipbio.data.transforms import PixelSpec, evaluation_size

__all__ = ["Frame", "frame_of", "into_view", "onto_picture"]

Array = npt.NDArray[np.float32]


class Frame(NamedTuple):
    """The part of a picture that a view shows, in its pixels; it reaches beyond the picture where the view is padded.

    Pixel x of the picture covers the span from x to x + 1.
    """

    left: float
    top: float
    right: float
    bottom: float


def frame_of(size: tuple[int, int], spec: PixelSpec) -> Frame:
    """Return which part of a picture a model sees.

    Args:
        size: Width and height of the picture, as Pillow tells them.
        spec: What the image trunk of the model asks for.
    """
    whole, (height, width) = Size(*size), spec.size
    resized = evaluation_size(whole, spec)
    left, top = _offset(resized.width, width), _offset(resized.height, height)
    wide, high = whole.width / resized.width, whole.height / resized.height
    return Frame(left * wide, top * high, (left + width) * wide, (top + height) * high)


def into_view(numbers_HW: npt.NDArray[np.generic], spec: PixelSpec) -> npt.NDArray[np.generic]:
    """Return a mask as the model sees its picture, (h, w) of the same type: each pixel the nearest one, padding 0."""
    height, width = numbers_HW.shape
    frame, (high, wide) = frame_of((width, height), spec), spec.size
    column_w, row_h = _middles(frame.left, frame.right, wide), _middles(frame.top, frame.bottom, high)
    seen_hw = numbers_HW[_inside(row_h, height)[:, None], _inside(column_w, width)]
    seen_hw[(row_h < 0) | (row_h >= height), :] = 0
    seen_hw[:, (column_w < 0) | (column_w >= width)] = 0
    return seen_hw


def onto_picture(map_hw: npt.NDArray[np.floating], size: tuple[int, int], spec: PixelSpec, *, fill: float = 0) -> Array:
    """Return a map over a view, of any resolution, in the pixels of the picture: (H, W), linear between its cells.

    Args:
        map_hw: Values of equal cells that fill the view, such as those of the patches of a transformer.
        size: Width and height of the picture, as Pillow tells them.
        spec: What the image trunk of the model asks for.
        fill: Value of what the model did not see.
    """
    frame, (width, height) = frame_of(size, spec), size
    high, wide = map_hw.shape
    row_H = (np.arange(height) + 0.5 - frame.top) / (frame.bottom - frame.top)
    column_W = (np.arange(width) + 0.5 - frame.left) / (frame.right - frame.left)
    whole_HW: Array = np.linalg.multi_dot(
        [_weights(row_H, high), map_hw.astype(np.float32), _weights(column_W, wide).T]
    )
    whole_HW[(row_H < 0) | (row_H > 1), :] = fill
    whole_HW[:, (column_W < 0) | (column_W > 1)] = fill
    return whole_HW


def _offset(resized: int, wanted: int) -> int:
    """Return where the cut begins, below 0 where there is padding."""
    return round((resized - wanted) / 2.0) if resized >= wanted else -((wanted - resized) // 2)


def _middles(start: float, end: float, count: int) -> npt.NDArray[np.int64]:
    """Return the pixels of the picture on which the middles of the pixels of a view fall."""
    return np.floor(start + (np.arange(count) + 0.5) * (end - start) / count).astype(np.int64)


def _inside(place_n: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    return place_n.clip(0, count - 1)


def _weights(place_n: npt.NDArray[np.floating], count: int) -> Array:
    """Return how much each of `count` equal cells says at places from 0 to 1: (n, count), rows of sum 1."""
    at_n = (place_n * count - 0.5).clip(0, count - 1)
    share_nc: Array = np.clip(1 - np.abs(at_n[:, None] - np.arange(count)), 0, None).astype(np.float32)
    return share_nc
