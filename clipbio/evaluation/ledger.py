"""Figures of one split, noted with their intervals and with the answers behind them.

Shape suffixes: N specimens, M those of them that count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.answers import Answers
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.metrics import bootstrap_interval, stratified_interval
from clipbio.evaluation.paired import accuracy
from clipbio.seeding import derive_seed

__all__ = ["Ledger"]

IntArray = NDArray[np.int64]


@dataclass
class Ledger:
    """What is measured on the specimens of one split.

    Args:
        split: The split.
        ids: Ids of the specimens.
        class_N: Their species, redrawn as wholes for the intervals over species.
        names: The names of the species.
        bootstrap: Resamples of the intervals, 0 for none.
        seed: Seed of the intervals.
    """

    split: str
    ids: tuple[str, ...]
    class_N: IntArray
    names: tuple[str, ...]
    bootstrap: int
    seed: int
    figures: list[Figure] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    def derived(self, *parts: str) -> int:
        """Return the seed of something about this split."""
        return derive_seed("hierarchy", self.split, *parts, self.seed)

    def mean(
        self,
        task: str,
        variant: str,
        metric: str,
        values_M: NDArray[Any],
        *,
        row_M: IntArray | None = None,
        chance: float | None = None,
        keep: bool = True,
    ) -> None:
        """Note the mean of one value per specimen; `keep` its values too. Without values nothing is noted.

        Args:
            task: First part of the key of the figure.
            variant: Its third part.
            metric: Its fourth part.
            values_M: The values.
            row_M: Which specimens they belong to; None is all.
            chance: What luck would give.
            keep: Keep the values for comparison with other models.
        """
        if not len(values_M):
            return
        rows = np.arange(len(self.ids)) if row_M is None else row_M
        values = values_M.astype(np.float64)
        by_species = accuracy(
            values,
            unit_N=self.class_N[rows],
            seed=self.derived(task, variant, metric, "species"),
            resamples=self.bootstrap,
        )
        interval = None
        if self.bootstrap:
            interval = bootstrap_interval(values, seed=self.derived(task, variant, metric), resamples=self.bootstrap)
        figure = Figure.measured(
            (task, self.split, variant),
            metric,
            value=by_species.value,
            interval=interval,
            n=len(values),
            chance=chance,
            species_interval=by_species.interval,
        )
        self.figures.append(figure)
        if keep:
            ids, species = tuple(self.ids[row] for row in rows), tuple(self.names[self.class_N[row]] for row in rows)
            self.answers.append(Answers(task, self.split, variant, metric, ids, values, species))

    def macro(
        self,
        task: str,
        variant: str,
        metric: str,
        right_M: NDArray[np.bool_],
        taxon_M: IntArray,
        *,
        chance: float | None = None,
    ) -> None:
        """Note the mean over taxa of the share of right answers; specimens are redrawn within their taxon."""
        if not len(right_M):
            return
        seed = self.derived(task, variant, metric)
        number_M = np.unique(taxon_M, return_inverse=True)[1].reshape(-1)
        over_taxa = accuracy(right_M, class_N=number_M, seed=seed, resamples=self.bootstrap)
        interval = None
        if self.bootstrap:
            interval = stratified_interval(right_M, number_M, seed=seed, resamples=self.bootstrap)
        figure = Figure.measured(
            (task, self.split, variant),
            metric,
            value=over_taxa.value,
            interval=interval,
            n=over_taxa.n,
            chance=chance,
            species_interval=over_taxa.interval,
        )
        self.figures.append(figure)

    def note(
        self,
        task: str,
        variant: str,
        metric: str,
        value: float,
        *,
        n: int | None = None,
        interval: tuple[float, float] | None = None,
        chance: float | None = None,
    ) -> None:
        """Note a number that is not a mean over specimens, or with neither `n` nor interval a plain count."""
        low, high = interval or (None, None)
        self.figures.append(Figure(task, self.split, variant, metric, value, low, high, n, chance))
