"""How well organs are found: intersection over union per organ, with intervals over specimens.

Shape suffixes: N specimens, L labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.metrics import percentiles
from clipbio.seeding import rng

__all__ = ["OrganScores"]

Floats = npt.NDArray[np.float64]


class OrganScores:
    """Gather specimens and measure all of them together.

    The IoU of an organ is the sum of its intersections over the sum of its unions, so that a speck of it on one sheet
    weighs as little as it is. An interval redraws specimens.

    Args:
        labels: The organs.
        resamples: Number of bootstrap samples.
        seed: Seed of the intervals.
    """

    def __init__(self, labels: Sequence[str], *, resamples: int = 1000, seed: int = 0) -> None:
        self.labels, self.resamples, self.seed = tuple(labels), resamples, seed
        self._rows: list[list[list[int]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        truth: Mapping[str, npt.NDArray[np.bool_]],
        found: Mapping[str, npt.NDArray[np.bool_]],
        prior: Mapping[str, npt.NDArray[np.bool_]],
    ) -> None:
        """Count a specimen: masks (H, W) by label, what was found, and what the layout alone suggests."""
        row = []
        for label in self.labels:
            true_HW = truth[label]
            area = int(true_HW.sum())
            both = [int((true_HW & one[label]).sum()) for one in (found, prior)]
            union = [area + int(one[label].sum()) - shared for one, shared in zip((found, prior), both, strict=True)]
            row.append([both[0], union[0], both[1], union[1], area, true_HW.size])
        self._rows.append(row)

    def figures(self, task: str, split: str) -> Iterator[Figure]:
        """Yield `iou` and `prior_iou` of each organ and of their mean.

        The chance of `iou` is what calling every pixel the organ gives. `prior_iou` is what the one mask gives that
        fits the train sheets best. Organs that no specimen shows have no figure.
        """
        if not self._rows:
            return
        count_NL6 = np.array(self._rows, np.float64)
        shown_L = count_NL6[:, :, 4].sum(axis=0) > 0
        draw_RN = self._draws(len(count_NL6))
        chance_L = _ratio(count_NL6[:, :, 4].sum(axis=0), count_NL6[:, :, 5].sum(axis=0))
        for name, column in (("iou", 0), ("prior_iou", 2)):
            value_L, drawn_RL = _iou(count_NL6[:, :, column], count_NL6[:, :, column + 1], draw_RN)
            for place in np.flatnonzero(shown_L):
                chance = float(chance_L[place]) if name == "iou" else None
                yield self._figure((task, split, self.labels[place]), name, value_L[place], drawn_RL[:, place], chance)
            mean, drawn_R = value_L[shown_L].mean(), drawn_RL[:, shown_L].mean(axis=1)
            chance = float(chance_L[shown_L].mean()) if name == "iou" else None
            yield self._figure((task, split, "mean"), name, mean, drawn_R, chance)

    def _figure(
        self, path: tuple[str, str, str], name: str, value: float, drawn_R: Floats, chance: float | None
    ) -> Figure:
        interval = percentiles(drawn_R) if self.resamples else None
        return Figure.measured(path, name, value=float(value), interval=interval, n=len(self), chance=chance)

    def _draws(self, count: int) -> Floats:
        """Return how often each specimen stands in each resample."""
        shares_N = np.full(count, 1 / count)
        drawn_RN = rng(self.seed, "organs", "bootstrap").multinomial(count, shares_N, size=self.resamples)
        return drawn_RN.astype(np.float64)


def _iou(both_NL: Floats, union_NL: Floats, draw_RN: Floats) -> tuple[Floats, Floats]:
    return _ratio(both_NL.sum(axis=0), union_NL.sum(axis=0)), _ratio(draw_RN @ both_NL, draw_RN @ union_NL)


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio
