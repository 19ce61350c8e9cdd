"""The parts of a picture that a trunk is shown, and how what it says of them comes together on the whole.

Everything is told in pixels of the picture as it is stored. Shape suffixes: K windows, T texts, G cells along a side of
a window, Y and X cells of a map of the whole picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.models import ImageSpec

__all__ = ["MOST_WINDOWS", "Window", "map_size", "painted", "pyramid", "seen", "tiled"]

MOST_WINDOWS = 256
"""A picture that would need more of them is refused."""

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Window(NamedTuple):
    """An upright part of a picture; it may reach beyond, where it is filled."""

    left: float
    top: float
    right: float
    bottom: float


def tiled(size: tuple[int, int], spec: ImageSpec, tiles: int = 1) -> list[Window]:
    """Return windows that cover a picture, each as the trunk is used to see one.

    With one tile a window is what the trunk's own transform shows: for `shortest` a centre crop, here as many of them
    beside each other as cover the picture; for `squash` the whole picture and for `longest` the whole with its
    padding. With more the sides are so many times smaller, and neighbours share half of them.

    Args:
        size: Width and height of the picture.
        spec: The trunk's transform.
        tiles: How many times smaller a side is.

    Raises:
        ClipbioError: That would be too many windows.
    """
    width, height = size
    if tiles == 1 and spec.resize_mode == "longest":
        half = max(size) / 2
        return [Window(width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)]
    if spec.resize_mode == "squash":
        sides = width / tiles, height / tiles
    else:
        side = min(size) * (spec.crop_fraction if spec.resize_mode == "shortest" else 1.0) / tiles
        sides = side, side
    return _covering(size, sides, what=f"tiles={tiles}")


def pyramid(size: tuple[int, int], levels: int) -> list[list[Window]]:
    """Return squares of ever smaller size, those of each level sharing half with their neighbours.

    Args:
        size: Width and height of the picture.
        levels: The first has squares of the picture's short side, the n-th of an n-th of it.
    """
    sides = [min(size) / level for level in range(1, levels + 1)]
    return [_covering(size, (side, side), what=f"levels={levels}") for side in sides]


def _covering(size: tuple[int, int], sides: tuple[float, float], *, what: str) -> list[Window]:
    starts = [_starts(length, side) for length, side in zip(size, sides, strict=True)]
    if (count := len(starts[0]) * len(starts[1])) > MOST_WINDOWS:
        raise ClipbioError(
            f"a picture of {size[0]} x {size[1]} pixels needs {count} windows with {what}, more than {MOST_WINDOWS}: "
            "cut it, or take fewer"
        )
    return [Window(x, y, x + sides[0], y + sides[1]) for y in starts[1] for x in starts[0]]


def _starts(length: float, side: float) -> list[float]:
    """Return where windows begin, evenly from one end to the other, no further apart than half of one."""
    count = math.ceil((length - side) / (side / 2) - 1e-6) + 1
    return [float(start) for start in np.linspace(0, length - side, max(count, 1))]


def seen(picture: Image.Image, windows: list[Window], spec: ImageSpec, side: tuple[int, int]) -> Tensor:
    """Return the pixels of windows as uint8 (K, 3, height, width), resized as the trunk's transform does it.

    Args:
        picture: The whole picture, in RGB.
        windows: Parts of it.
        spec: Interpolation, and the grey of what lies outside.
        side: Height and width that are made.
    """
    height, width = side
    shown = []
    for window in windows:
        if _lies_in(window, picture):
            small = _resized(picture, window, (width, height), spec)
        else:
            small = _fitted(picture, window, (width, height), spec)
        shown.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
    return torch.stack(shown)


def _resized(picture: Image.Image, window: Window, size: tuple[int, int], spec: ImageSpec) -> Image.Image:
    left, top = max(window.left, 0), max(window.top, 0)
    box = (left, top, min(window.right, picture.width), min(window.bottom, picture.height))
    whole = box == (0, 0, *picture.size)
    return picture.resize(size, _FILTERS[spec.interpolation], box=None if whole else box)


def _fitted(picture: Image.Image, window: Window, size: tuple[int, int], spec: ImageSpec) -> Image.Image:
    """Return a window that holds the whole picture: resized first, since a strip with its padding would be vast."""
    wide, high = size[0] / (window.right - window.left), size[1] / (window.bottom - window.top)
    inner = max(1, round(picture.width * wide)), max(1, round(picture.height * high))
    canvas = Image.new("RGB", size, (spec.fill,) * 3)
    corner = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas.paste(picture.resize(inner, _FILTERS[spec.interpolation]), corner)
    return canvas


def _lies_in(window: Window, picture: Image.Image) -> bool:
    slack = 1e-6
    return (
        window.left >= -slack
        and window.top >= -slack
        and window.right <= picture.width + slack
        and window.bottom <= picture.height + slack
    )


def map_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return height and width of the map of a picture, the longer one `side`."""
    width, height = size
    scale = side / max(size)
    return max(1, round(height * scale)), max(1, round(width * scale))


def painted(scores_KTGG: Tensor, windows: list[Window], size: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    """Return the mean of what windows say, on a map of the whole picture (T, Y, X).

    Between the middles of cells values are interpolated; a window of one cell is flat.

    Args:
        scores_KTGG: What each window says of each of its cells.
        windows: Where they lie.
        size: Width and height of the picture.
        shape: Height and width of the map.
    """
    y_Y, x_X = ((torch.arange(count) + 0.5) * (length / count) for count, length in zip(shape, size[::-1], strict=True))
    sum_TYX, count_YX = torch.zeros(scores_KTGG.shape[1], *shape), torch.zeros(shape)
    for scores_TGG, window in zip(scores_KTGG, windows, strict=True):
        rows, columns = _within(y_Y, window.top, window.bottom), _within(x_X, window.left, window.right)
        across_X = 2 * (x_X[columns] - window.left) / (window.right - window.left) - 1
        down_Y = 2 * (y_Y[rows] - window.top) / (window.bottom - window.top) - 1
        places_YX2 = torch.stack(torch.meshgrid(down_Y, across_X, indexing="ij")[::-1], dim=-1)
        part_1TYX = functional.grid_sample(
            scores_TGG[None].float(), places_YX2[None], mode="bilinear", padding_mode="border", align_corners=False
        )
        sum_TYX[:, rows, columns] += part_1TYX[0]
        count_YX[rows, columns] += 1
    return sum_TYX / count_YX.clamp(min=1)


def _within(centre_P: Tensor, start: float, end: float) -> slice:
    """Return which cells of a map have their middle in a range; at least one, however narrow it is."""
    inside_P = ((centre_P >= start) & (centre_P <= end)).nonzero().flatten()
    if len(inside_P):
        return slice(int(inside_P[0]), int(inside_P[-1]) + 1)
    nearest = int((centre_P - (start + end) / 2).abs().argmin())
    return slice(nearest, nearest + 1)
