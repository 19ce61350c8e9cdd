"""What stands behind a figure: one value per specimen, kept so that two models can be compared in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answers"]


@dataclass(frozen=True)
class Answers:
    """The values of which a figure is the mean: 1 for right and 0 for wrong, or a score of each query.

    `species` is the true class of each; what belongs to one class is redrawn together for intervals over species.
    """

    task: str
    split: str
    variant: str
    metric: str
    ids: tuple[str, ...]
    value_N: NDArray[np.floating]
    species: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.value_N) == len(self.species):
            sizes = f"{len(self.ids)} ids, {len(self.value_N)} values, {len(self.species)} species"
            raise ValueError(f"answers of {self.key} do not match: {sizes}")

    @property
    def key(self) -> str:
        """Return the key of the figure in metrics.json."""
        return f"{self.task}/{self.split}/{self.variant}/{self.metric}"
