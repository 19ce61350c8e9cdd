"""Paint over labels, rulers and colour cards of herbarium sheets, so that a model cannot read the name off the picture.

A heuristic without a model and without reading: the colour that most of the sheet has is its paper; what stands off the
paper falls into connected parts; a part is covered if it is a rectangle and holds nothing but thin strokes (print) or
rectangles (a scale, swatches). A plant is no rectangle, and a card with a flower mounted on it holds one that is none.
What touches or overlaps the plant is left as it is, and so is a picture without paper.

Shape suffixes: H height and W width of the whole picture, h and w of a small copy, P parts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from clipbio.data.decoding import Pixels

__all__ = ["mask_sheet", "sheet_parts"]

Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice]

_SIDE = 512  # longer side of the small copy
_OFF_PAPER = 22  # largest difference of a channel that still is paper
_OFF_CARD = 16  # the same for the card of a label: a white flower on a grey card is a flower
_PAPER_SHARE = 0.25  # below it the picture is no sheet
_COVERED_SHARE = 0.5  # above it the heuristic is mistaken
_PART_SHARE = 0.0008  # smaller parts are left alone
_RECTANGULAR = 0.85  # least share of its box that a rectangle fills, one corner of it torn or covered
_STROKE = 2  # half the width of strokes of print, in pixels of the small copy
_BLOB_SHARE = 0.04  # what a card may hold beside strokes
_TILTS = np.radians([-9.0, -6.0, -3.0, 3.0, 6.0, 9.0])


def mask_sheet(pixels_HWC: Pixels) -> Pixels:
    """Return a sheet whose labels, rulers and colour cards are painted over in the colour of its paper.

    Args:
        pixels_HWC: uint8 RGB of the whole sheet, at any scale; it may be changed.
    """
    small_hwC = _small(pixels_HWC)
    paper = _paper(small_hwC)
    if paper is None:
        return pixels_HWC
    parts_hw = ndimage.binary_dilation(_parts(small_hwC, paper), iterations=2)
    if not parts_hw.any() or parts_hw.mean() > _COVERED_SHARE:
        return pixels_HWC
    if not pixels_HWC.flags.writeable:
        pixels_HWC = pixels_HWC.copy()
    whole = Image.fromarray(parts_hw).resize(pixels_HWC.shape[1::-1], Image.Resampling.NEAREST)
    pixels_HWC[np.asarray(whole)] = paper
    return pixels_HWC


def sheet_parts(pixels_HWC: Pixels) -> Mask:
    """Return where labels, rulers and colour cards are found, in pixels of the small copy."""
    small_hwC = _small(pixels_HWC)
    paper = _paper(small_hwC)
    return np.zeros(small_hwC.shape[:2], bool) if paper is None else _parts(small_hwC, paper)


def _small(pixels_HWC: Pixels) -> Pixels:
    factor = max(1, round(max(pixels_HWC.shape[:2]) / _SIDE))
    return np.asarray(Image.fromarray(pixels_HWC).reduce(factor)) if factor > 1 else pixels_HWC


def _commonest(pixels_NC: Pixels) -> tuple[npt.NDArray[np.uint8], float]:
    """Return the colour that most pixels have, and the share of those that are near it."""
    bins_N = (pixels_NC >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    top = np.bincount(bins_N).argmax()
    centre = np.median(pixels_NC[bins_N == top], axis=0)
    near_N = (np.abs(pixels_NC.astype(np.int16) - centre.astype(np.int16)) <= _OFF_PAPER).all(axis=1)
    return np.median(pixels_NC[near_N], axis=0).astype(np.uint8), float(near_N.mean())


def _paper(small_hwC: Pixels) -> npt.NDArray[np.uint8] | None:
    """Return the colour of the paper; None for a picture that has none, light and without much colour."""
    colour, share = _commonest(small_hwC.reshape(-1, 3))
    is_paper = share >= _PAPER_SHARE and colour.min() >= 110 and int(colour.max()) - int(colour.min()) <= 90
    return colour if is_paper else None


def _parts(small_hwC: Pixels, paper: npt.NDArray[np.uint8]) -> Mask:
    off_hwC = small_hwC.astype(np.int16) - paper.astype(np.int16)
    differs_hw = (np.abs(off_hwC) > _OFF_PAPER).any(axis=2)
    # Cards are often lighter than the sheet: that frees them from a leaf that lies against their edge.
    lighter_hw = differs_hw & (off_hwC.min(axis=2) > 0)
    found_hw = np.zeros(differs_hw.shape, bool)
    for candidate_hw in (differs_hw, lighter_hw):
        joined_hw = ndimage.binary_closing(np.pad(candidate_hw, 2), np.ones((3, 3), bool))[2:-2, 2:-2]
        for box, part in _components(joined_hw, round(_PART_SHARE * differs_hw.size)):
            if _is_rectangle(part) and _is_card(small_hwC[box], part):
                found_hw[box] |= part
    return found_hw


def _components(mask: Mask, smallest: int) -> list[tuple[Box, Mask]]:
    """Return the connected parts of at least a size: the box around each, and the part in it without its holes."""
    numbers, _ = ndimage.label(mask)
    sizes_P = np.bincount(numbers.ravel())
    parts = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        height, width = (side.stop - side.start for side in box)
        # A frame is as good as what it frames: holes count.
        if height * width >= smallest and sizes_P[number] >= smallest / 4:
            part = ndimage.binary_fill_holes(numbers[box] == number)
            if part.sum() >= smallest:
                parts.append((box, part))
    return parts


def _is_rectangle(part: Mask) -> bool:
    """Tell whether a part fills its box, or one that is tilted a little."""
    area = float(part.sum())
    if area >= _RECTANGULAR * part.size:
        return True
    if area < 0.5 * part.size:
        return False
    y_N, x_N = np.nonzero(part ^ ndimage.binary_erosion(part))
    for tilt in _TILTS:
        across = np.ptp(x_N * np.cos(tilt) + y_N * np.sin(tilt)) + 1
        down = np.ptp(y_N * np.cos(tilt) - x_N * np.sin(tilt)) + 1
        if area >= _RECTANGULAR * across * down:
            return True
    return False


def _is_card(small_hwC: Pixels, part: Mask) -> bool:
    """Tell whether a rectangle holds print, or rectangles, or nothing."""
    colour, _ = _commonest(small_hwC[part])
    differs = (np.abs(small_hwC.astype(np.int16) - colour.astype(np.int16)) > _OFF_CARD).any(axis=2)
    inside = ndimage.binary_erosion(part, iterations=_STROKE)
    blobs = ndimage.binary_opening(differs & inside, iterations=_STROKE)
    if blobs.sum() <= _BLOB_SHARE * part.sum():
        return True
    found = _components(blobs, max(4, round(0.01 * part.sum())))
    return bool(found) and all(blob.sum() >= _RECTANGULAR * blob.size for _, blob in found)
