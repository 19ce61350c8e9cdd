"""Figures of many specimens, with intervals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.metrics import bootstrap_interval
from clipbio.grounding.asking import Asked
from clipbio.seeding import derive_seed

__all__ = ["Tally"]

_GUESSED = "told_from_wrong_value"


class Tally:
    """Collect what came of specimens."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], list[float]] = {}
        self._areas: dict[str, list[float]] = {}

    def add(self, asked: Asked) -> None:
        """Take one specimen."""
        for key, value in asked.values.items():
            self._values.setdefault(key, []).append(value)
        for label, part in asked.sheet.parts.items():
            self._areas.setdefault(label, []).append(float(part.mask_HW.mean()))

    def figures(self, task: str, split: str, *, resamples: int, seed: int) -> Iterator[Figure]:
        """Yield the mean of each figure over specimens.

        Args:
            task: Name of the benchmark.
            split: Name of the split.
            resamples: Of the intervals, 0 for none.
            seed: Of the resamples.
        """
        for (method, label, measure), values in self._values.items():
            values_N = np.array(values)
            drawn = derive_seed(seed, method, label, measure)
            interval = bootstrap_interval(values_N, seed=drawn, resamples=resamples) if resamples else None
            yield Figure.measured(
                (task, split, method),
                f"{label}/{measure}",
                value=float(values_N.mean()),
                interval=interval,
                n=len(values_N),
                chance=0.5 if measure == _GUESSED else float(np.mean(self._areas[label])),
            )
