"""From masks to single organs: what hangs together is one instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from clipbio.data.masks import Mask

__all__ = ["Box", "Instance", "instances_of", "outlines"]


class Box(NamedTuple):
    """Left and top edge, width and height, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Instance:
    """One connected piece of an organ: its label, its box, and its mask (height, width) within the box."""

    label: str
    box: Box
    mask_hw: Mask

    @property
    def area(self) -> int:
        """Count its pixels."""
        return int(self.mask_hw.sum())

    def whole(self, shape: tuple[int, int]) -> Mask:
        """Return its mask in a picture of this shape (H, W)."""
        mask_HW = np.zeros(shape, bool)
        mask_HW[self.box.y : self.box.y + self.box.height, self.box.x : self.box.x + self.box.width] = self.mask_hw
        return mask_HW


def instances_of(masks: Mapping[str, Mask], *, least_share: float = 0.0) -> list[Instance]:
    """Return the connected pieces of masks (H, W), label by label, the largest first.

    Args:
        masks: Masks by label; pixels that touch at a corner hang together.
        least_share: Pieces of a smaller share of the picture are left out as specks.
    """
    found = []
    for label, mask_HW in masks.items():
        number_HW, _ = ndimage.label(mask_HW, structure=np.ones((3, 3)))
        pieces = []
        for number, (rows, columns) in enumerate(ndimage.find_objects(number_HW), 1):
            box = Box(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            pieces.append(Instance(label, box, number_HW[rows, columns] == number))
        kept = [piece for piece in pieces if piece.area >= max(1, least_share * mask_HW.size)]
        found += sorted(kept, key=lambda piece: (-piece.area, piece.box))
    return found


def outlines(instance: Instance) -> list[list[float]]:
    """Return the outer outlines of an instance along the edges of its pixels, each as x1, y1, x2, y2, ...

    Where pixels touch at a corner alone there are several outlines. Holes are filled: polygons of COCO have none.
    """
    filled_hw = np.pad(ndimage.binary_fill_holes(instance.mask_hw), 1)
    ahead: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (down, right), (start, end) in _SIDES.items():
        outside_hw = filled_hw & ~np.roll(filled_hw, (-down, -right), axis=(0, 1))
        for y, x in np.argwhere(outside_hw):
            ahead.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    rings = []
    while ahead:
        rings.append(_ring(ahead))
    left, top = instance.box.x - 1, instance.box.y - 1
    return [[float(one) for x, y in ring for one in (x + left, y + top)] for ring in rings]


# For each side of a pixel: where its neighbour lies (down, right), and the side's two ends (x, y), clockwise.
_SIDES = {
    (-1, 0): ((0, 0), (1, 0)),
    (0, 1): ((1, 0), (1, 1)),
    (1, 0): ((1, 1), (0, 1)),
    (0, -1): ((0, 1), (0, 0)),
}


def _ring(ahead: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Follow sides around, taking them out; only corners stay."""
    first = at = next(iter(ahead))
    step = (0, 0)
    ring: list[tuple[int, int]] = []
    while at in ahead:
        # Where two rings touch, turn right: each ring goes around its own pixels.
        ends = ahead[at]
        right = (at[0] - step[1], at[1] + step[0])
        end = right if right in ends else ends[0]
        ends.remove(end)
        if not ends:
            del ahead[at]
        turned = (end[0] - at[0], end[1] - at[1])
        if turned != step:
            ring.append(at)
        at, step = end, turned
        if at == first and first not in ahead:
            break
    return ring
