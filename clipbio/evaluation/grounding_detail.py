"""What a benchmark of grounding hands to the report: pictures with their masks and maps.

Shape suffixes: H and W pixels of the picture, C its colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["GroundingDetail", "GroundingRow", "GroundingSheet"]

Map = npt.NDArray[np.floating]


@dataclass(frozen=True)
class GroundingRow:
    """One phrase about one part: where the part is, and where each method saw the phrase."""

    label: str
    phrase: str
    mask_HW: npt.NDArray[np.bool_]
    maps: Mapping[str, Map]


@dataclass(frozen=True)
class GroundingSheet:
    """A specimen and what was asked about it."""

    id: str
    pixels_HWC: npt.NDArray[np.uint8]
    rows: tuple[GroundingRow, ...]


@dataclass(frozen=True)
class GroundingDetail:
    """Some specimens of a split."""

    task: str
    split: str
    sheets: tuple[GroundingSheet, ...]
