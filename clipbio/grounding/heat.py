"""Where on a picture words are: one map for each text, in the coordinates of the picture.

Shape suffixes: T texts, Y and X cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["Box", "Heat", "Peak", "stretched"]

Maps = npt.NDArray[np.float32]

_BOX_SHARE = 0.5


class Peak(NamedTuple):
    """The hottest place of a map, in pixels of the picture, and how hot it is (0 to 1)."""

    x: float
    y: float
    heat: float


class Box(NamedTuple):
    """An upright box in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Heat:
    """Maps of texts over one picture.

    `maps_TYX` run from 0 to 1 and cover the whole picture, whose `size` is (width, height) in pixels as it is stored.
    `method` says how places were described and `scoring` what a value means: for `softmax` the share of the text among
    all that was asked and the distractors, else heat between the coldest and the hottest place of its own map.
    """

    texts: tuple[str, ...]
    maps_TYX: Maps
    size: tuple[int, int]
    method: str
    scoring: str

    def peak(self, text: int) -> Peak:
        """Return the hottest place of a text; of several equally hot ones that in the middle of their order."""
        map_YX = self.maps_TYX[text]
        places = np.flatnonzero(map_YX == map_YX.max())
        y, x = divmod(int(places[len(places) // 2]), map_YX.shape[1])
        across, down = self._cell
        return Peak((x + 0.5) * across, (y + 0.5) * down, float(map_YX[y, x]))

    def box(self, text: int, share: float = _BOX_SHARE) -> Box:
        """Return the box round the peak: what hangs together with it and is hotter than a share of its height."""
        map_YX = stretched(self.maps_TYX[text])
        peak = self.peak(text)
        across, down = self._cell
        parts_YX, _ = ndimage.label(map_YX >= share)
        part = parts_YX[int(peak.y / down), int(peak.x / across)]
        rows, columns = np.nonzero(parts_YX == part)
        return Box(
            float(columns.min() * across),
            float(rows.min() * down),
            float((columns.max() + 1) * across),
            float((rows.max() + 1) * down),
        )

    def records(self) -> list[dict[str, Any]]:
        """Return for each text its peak and box in plain values."""
        return [
            {
                "text": text,
                "peak": {name: round(value, 4) for name, value in self.peak(number)._asdict().items()},
                "box": [round(side, 1) for side in self.box(number)],
            }
            for number, text in enumerate(self.texts)
        ]

    def take(self, numbers: Sequence[int]) -> Heat:
        """Return the maps of some texts."""
        texts = tuple(self.texts[number] for number in numbers)
        return Heat(texts, self.maps_TYX[list(numbers)], self.size, self.method, self.scoring)

    @property
    def _cell(self) -> tuple[float, float]:
        """Return width and height of a cell in pixels of the picture."""
        _, high, wide = self.maps_TYX.shape
        return self.size[0] / wide, self.size[1] / high


def stretched(map_YX: npt.NDArray[Any]) -> Maps:
    """Return a map from 0 at its coldest place to 1 at its hottest; a flat one is 1 all over."""
    low, high = float(map_YX.min()), float(map_YX.max())
    if high <= low:
        return np.ones(map_YX.shape, np.float32)
    return ((map_YX - low) / (high - low)).astype(np.float32)
