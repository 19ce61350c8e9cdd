"""How well a heat map meets a mask, as pure functions of the two.

Maps run from 0 to 1. What is expected of a map that knows nothing is the share of the picture that the mask covers, for
each of these. Shape suffixes: H and W pixels of the mask, P pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MEASURES", "centre_map", "mass_inside", "measured", "pixel_precision", "pointing", "soft_iou"]

Map = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

MEASURES = ("pointing", "soft_iou", "mass", "precision")

# Of a bell about the middle of the picture, as a share of its sides.
_SPREAD = 0.25


def pointing(map_HW: Map, mask_HW: Mask) -> float:
    """Return 1 where the hottest pixel lies in the mask, else 0; of equally hot ones the share that does."""
    return float(mask_HW[map_HW == map_HW.max()].mean())


def soft_iou(map_HW: Map, mask_HW: Mask) -> float:
    """Return the sum of the smaller of map and mask, over that of the larger."""
    union = float(np.maximum(map_HW, mask_HW).sum())
    return float(np.minimum(map_HW, mask_HW).sum()) / union if union else 0.0


def mass_inside(map_HW: Map, mask_HW: Mask) -> float:
    """Return the share of all heat that lies in the mask."""
    total = float(map_HW.sum())
    return float(map_HW[mask_HW].sum()) / total if total else 0.0


def pixel_precision(map_HW: Map, mask_HW: Mask) -> float:
    """Return the average precision of the pixels ranked by heat; equally hot ones come in together."""
    order_P = np.argsort(-map_HW, axis=None, kind="stable")
    heat_P, inside_P = map_HW.ravel()[order_P], mask_HW.ravel()[order_P]
    last_of_equals = np.flatnonzero(np.append(heat_P[1:] != heat_P[:-1], True))
    hits = inside_P.cumsum()[last_of_equals]
    if not hits[-1]:
        return 0.0
    precision = hits / (last_of_equals + 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])


def measured(map_HW: Map, mask_HW: Mask) -> dict[str, float]:
    """Return all `MEASURES` of a map that runs from 0 to 1."""
    found = pointing, soft_iou, mass_inside, pixel_precision
    return {name: measure(map_HW, mask_HW) for name, measure in zip(MEASURES, found, strict=True)}


def centre_map(shape: tuple[int, int]) -> Map:
    """Return a bell about the middle of a picture of this height and width."""
    down_H, across_W = (((np.arange(side) + 0.5) / side - 0.5) / _SPREAD for side in shape)
    bell_HW: Map = np.exp(-(down_H[:, None] ** 2 + across_W**2) / 2)
    return bell_HW
