"""An image trunk that sees a mosaic: the mean colours of a grid of cells, and two layers above them.

Shape suffixes: B batch, C channels, H height, W width, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from clipbio.models.options import TowerOptions
from clipbio.models.tower import Tower
from clipbio.models.trunks import ImageSpec, ImageTrunk

__all__ = ["Mosaic"]


@dataclass(frozen=True, kw_only=True)
class Mosaic(TowerOptions):
    """How to make a tower that sees `cells` x `cells` mean colours; `width` is that of its features."""

    cells: int = 8
    width: int = 128
    projection: str = "linear"

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower; there are no weights to load."""
        del load_weights
        encoder = nn.Sequential(
            nn.AdaptiveAvgPool2d(self.cells),  # B3HW -> B3cc
            nn.Flatten(),
            nn.Linear(3 * self.cells**2, self.width),
            nn.GELU(),
            nn.Linear(self.width, self.width),  # -> BF
        )
        trunk = ImageTrunk(
            encoder,
            width=self.width,
            spec=ImageSpec(size=(64, 64), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), resize_mode="squash"),
            # With the weights it says what the features are: everything that decides them stands here.
            config={"cells": self.cells, "width": self.width},
        )
        return self.tower(trunk, dim=dim)
