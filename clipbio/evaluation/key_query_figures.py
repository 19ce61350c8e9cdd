"""Figures of the key-query benchmark: micro and macro accuracy of a rank with their chance, and harmonic means.

Shape suffixes: Q queries with a label, R ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.key_query_answers import Answers
from clipbio.evaluation.metrics import bootstrap_means, harmonic_mean, macro_mean, percentiles, stratified_means
from clipbio.seeding import derive_seed

__all__ = ["Measure", "Measured", "harmonic_figures", "rank_figures"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One accuracy with the number of things averaged, its chance where known, and its bootstrap means."""

    value: float
    n: int
    chance: float | None
    means: FloatArray | None

    def figure(self, path: tuple[str, str, str], metric: str) -> Figure:
        """Return this as a figure."""
        low, high = (None, None) if self.means is None else percentiles(self.means)
        return Figure(*path, metric, self.value, low, high, self.n, self.chance)


@dataclass(frozen=True)
class Measure:
    """How accuracies are measured: their depths and intervals, and whether luck can be told beyond the first answer."""

    ks: Sequence[int]
    bootstrap: int
    seed: int

    def accuracies(
        self, path: tuple[str, str, str], answers: Answers, label_QR: Tensor, ranks: Sequence[str], *, distinct: bool
    ) -> Iterator[tuple[str, Measured]]:
        """Yield `RANK/micro@K` and `RANK/macro@K` over the queries that have a label at the rank."""
        for column, rank in enumerate(ranks):
            known_Q = label_QR[:, column] >= 0
            if not bool(known_Q.any()):
                continue
            class_Q = torch.unique(label_QR[known_Q, column], return_inverse=True)[1].numpy()
            place_Q = answers.place_QR[known_Q, column].numpy()
            relevant_Q, total_Q = (
                one[known_Q, column].double().numpy() for one in (answers.relevant_QR, answers.total_QR)
            )
            for k in self.ks:
                # Which taxa come first in a random order of records has no closed form beyond the first.
                luck_Q = None if distinct and k > 1 else _luck(relevant_Q, total_Q, k)
                yield from self._both(path, f"{rank}/{{}}@{k}", place_Q < k, class_Q, luck_Q)

    def _both(
        self,
        path: tuple[str, str, str],
        name: str,
        correct_Q: NDArray[np.bool_],
        class_Q: NDArray[np.int64],
        luck_Q: FloatArray | None,
    ) -> Iterator[tuple[str, Measured]]:
        means: list[FloatArray | None] = [None, None]
        if self.bootstrap:
            seeds = [derive_seed("bootstrap", *path, name.format(kind), self.seed) for kind in ("micro", "macro")]
            means[0] = bootstrap_means(correct_Q.astype(np.float64), seed=seeds[0], resamples=self.bootstrap)
            means[1] = stratified_means(correct_Q, class_Q, seed=seeds[1], resamples=self.bootstrap)
        micro, macro = (None, None) if luck_Q is None else (float(luck_Q.mean()), _class_mean(luck_Q, class_Q))
        yield name.format("micro"), Measured(float(correct_Q.mean()), len(correct_Q), micro, means[0])
        classes = int(class_Q.max()) + 1
        yield name.format("macro"), Measured(macro_mean(correct_Q, class_Q), classes, macro, means[1])


def _luck(relevant_Q: FloatArray, total_Q: FloatArray, k: int) -> FloatArray:
    """Return the probability that k keys drawn at random, without putting back, hold a right one."""
    drawn_k = np.arange(k)
    left_Qk = np.clip(total_Q[:, None] - relevant_Q[:, None] - drawn_k, 0, None)
    missed_Q: FloatArray = (left_Qk / np.maximum(total_Q[:, None] - drawn_k, 1)).prod(axis=1)
    return np.where(relevant_Q > 0, 1 - missed_Q, 0.0)


def _class_mean(values_Q: FloatArray, class_Q: NDArray[np.int64]) -> float:
    return float((np.bincount(class_Q, weights=values_Q) / np.bincount(class_Q)).mean())


def rank_figures(
    path: tuple[str, str, str], answers: Answers, label_QR: Tensor, ranks: Sequence[str]
) -> Iterator[Figure]:
    """Yield what was left out or undecided at each rank.

    `unlabelled` queries count nowhere, `keyless` ones have no key with their label and cannot be right, of `tied` ones
    the nearest keys have several labels and one score.
    """
    known_QR = label_QR >= 0
    keyless_QR = known_QR & (answers.relevant_QR == 0)
    for column, rank in enumerate(ranks):
        yield Figure(*path, f"{rank}/unlabelled", int((~known_QR[:, column]).sum()))
        yield Figure(*path, f"{rank}/keyless", int(keyless_QR[:, column].sum()))
        if answers.tied_QR is not None:
            yield Figure(*path, f"{rank}/tied", int((answers.tied_QR & known_QR)[:, column].sum()))
        if not bool(torch.any(known_QR[:, column])):
            yield Figure(*path, f"{rank}/micro@1", n=0)


def harmonic_figures(
    split: str, seen: Mapping[tuple[str, str], Measured], unseen: Mapping[tuple[str, str], Measured], task: str
) -> Iterator[Figure]:
    """Yield the harmonic mean of each (variant, metric) that both have; chance is that of the two chances."""
    for (variant, metric), first in seen.items():
        second = unseen.get((variant, metric))
        if second is None:
            continue
        means = None if first.means is None or second.means is None else harmonic_mean(first.means, second.means)
        chance = None if first.chance is None or second.chance is None else _harmonic(first.chance, second.chance)
        joined = Measured(_harmonic(first.value, second.value), first.n + second.n, chance, means)
        yield joined.figure((task, split, variant), metric)


def _harmonic(first: float, second: float) -> float:
    return float(harmonic_mean(np.array(first), np.array(second)))
