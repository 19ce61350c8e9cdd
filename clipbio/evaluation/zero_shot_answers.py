"""The answers of zero-shot classification, and the figures made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.answers import Answers
from clipbio.evaluation.embeddings import Candidates
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.metrics import (
    SCORE_TOLERANCE,
    Interval,
    bootstrap_interval,
    macro_mean,
    percentiles,
    permuted_accuracy,
    stratified_interval,
)
from clipbio.evaluation.roll_up import RolledUp, roll_up, taxon_numbers
from clipbio.evaluation.top_k import TopK, top_k
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["TOP", "RolledAnswers", "ZeroShotDetail", "ZeroShotFigures", "answers_at", "judged"]

TOP = 5


@dataclass(frozen=True)
class RolledAnswers:
    """The answers at one rank of the images in `row_N`, whose taxon at it is known.

    Chance is that of a class drawn at random for `best`, and of a taxon for `summed`, among `num_taxa`.
    """

    row_N: Tensor
    answers: RolledUp
    num_taxa: int
    chance: float


@dataclass(frozen=True)
class ZeroShotDetail:
    """Every answer of one split and text type; class numbers index `candidates`.

    `predicted_N` is -1 where the best answer is not unique: that counts as wrong, as `rank_N` (0 is right) does.
    """

    split: str
    text_type: str
    candidates: Candidates
    ids: tuple[str, ...]
    class_N: Tensor
    rank_N: Tensor
    predicted_N: Tensor
    target_score_N: Tensor
    top_NK: Tensor
    top_score_NK: Tensor
    fallbacks: int
    outside: int = 0
    at_rank: Mapping[str, RolledAnswers] = field(default_factory=dict)

    @property
    def correct_N(self) -> Tensor:
        """Tell which images were placed in their class."""
        return self.rank_N == 0

    @property
    def species(self) -> tuple[str, ...]:
        """Name the true class of each image."""
        names = self.candidates.names
        return tuple(names[number] for number in self.class_N.tolist())


def judged(images_ND: Tensor, class_N: Tensor, prototypes_CD: Tensor) -> dict[str, Tensor]:
    """Return rank of the target, prediction and best scores of each image, as `ZeroShotDetail` names them."""
    found = top_k(images_ND, prototypes_CD, TOP, target_N=class_N)
    assert found.rank_N is not None
    assert found.target_score_N is not None
    return {
        "rank_N": found.rank_N,
        "predicted_N": torch.where(_is_unique(found), found.top_NK[:, 0], -1),
        "target_score_N": found.target_score_N,
        "top_NK": found.top_NK,
        "top_score_NK": found.top_score_NK,
    }


def _is_unique(found: TopK) -> Tensor:
    score_NK = found.top_score_NK
    if score_NK.shape[1] == 1:
        return torch.ones(len(score_NK), dtype=torch.bool)
    return score_NK[:, 1] < score_NK[:, 0] - SCORE_TOLERANCE


def answers_at(
    rank: str, detail: Mapping[str, Tensor], candidates: Candidates, images_ND: Tensor, class_N: Tensor,
    prototypes_CD: Tensor, scale: float,
) -> RolledAnswers | None:  # fmt: skip
    """Roll the answers up to a rank; None where the taxon of no image is known there."""
    place = RANKS.index(rank)
    taxon_C, num_taxa = taxon_numbers([keys[place] for keys in candidates.rank_keys])
    row_N = (taxon_C[class_N] >= 0).nonzero()[:, 0]
    if not len(row_N):
        return None
    target_N = taxon_C[class_N][row_N]
    highest_N = detail["top_score_NK"][row_N, 0]
    rolled = roll_up(images_ND[row_N], prototypes_CD, taxon_C, target_N, highest_N=highest_N, scale=scale)
    share_N = torch.bincount(taxon_C[taxon_C >= 0], minlength=num_taxa)[target_N] / len(taxon_C)
    return RolledAnswers(row_N, rolled, num_taxa, float(share_N.mean()))


@dataclass(frozen=True)
class ZeroShotFigures:
    """Makes figures and answers of a task.

    Args:
        task: what they stand under.
        permutations: random assignments in the control, 0 for none.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of intervals and control.
    """

    task: str
    permutations: int
    bootstrap: int
    seed: int

    def of(self, detail: ZeroShotDetail) -> Iterator[Figure]:
        """Yield the figures of one split and text type."""
        path = (self.task, detail.split, detail.text_type)
        classes = len(detail.candidates)
        class_N, rank_N = detail.class_N.numpy(), detail.rank_N.numpy()
        for k in (1, TOP):
            yield self.share(path, f"top{k}", rank_N < k, chance=min(k, classes) / classes)
        macro, num_present = macro_mean(rank_N == 0, class_N), len(np.unique(class_N))
        interval = self._interval(rank_N == 0, *path, "macro_top1", class_N=class_N)
        yield Figure.measured(path, "macro_top1", value=macro, interval=interval, n=num_present, chance=1 / classes)
        for rank, answers in detail.at_rank.items():
            yield from self._rolled_up(path, rank, answers)
        yield Figure(*path, "fallbacks", detail.fallbacks)
        if detail.outside:
            yield Figure(*path, "outside", detail.outside)
        if self.permutations:
            yield from self._control(detail)

    def share(self, path: tuple[str, str, str], metric: str, correct_N: NDArray[Any], *, chance: float) -> Figure:
        """Return a mean over images with its interval."""
        interval = self._interval(correct_N, *path, metric)
        value = float(correct_N.mean())
        return Figure.measured(path, metric, value=value, interval=interval, n=len(correct_N), chance=chance)

    def _rolled_up(self, path: tuple[str, str, str], rank: str, answers: RolledAnswers) -> Iterator[Figure]:
        best_N, summed_N = answers.answers.best_N.numpy(), answers.answers.summed_N.numpy()
        yield self.share(path, f"{rank}/top1", best_N == 0, chance=answers.chance)
        for k in (1, TOP):
            chance = min(k, answers.num_taxa) / answers.num_taxa
            yield self.share(path, f"{rank}/summed_top{k}", summed_N < k, chance=chance)

    def _control(self, detail: ZeroShotDetail) -> Iterator[Figure]:
        """Yield the accuracy with the texts permuted among the classes."""
        path = (self.task, detail.split, f"{detail.text_type}_permuted")
        accuracies = permuted_accuracy(
            detail.predicted_N.numpy(),
            detail.class_N.numpy(),
            num_classes=len(detail.candidates),
            permutations=self.permutations,
            seed=derive_seed("permutations", *path, self.seed),
        )
        value, interval = float(accuracies.mean()), percentiles(accuracies)
        chance = 1 / len(detail.candidates)
        yield Figure.measured(path, "top1", value=value, interval=interval, n=len(detail.ids), chance=chance)
        yield Figure(*path, "permutations", self.permutations)

    def mean(self, details: Sequence[ZeroShotDetail]) -> tuple[Figure, Answers]:
        """Return the mean over text types: per image the share of text types with which it was placed right."""
        first = details[0]
        path = (self.task, first.split, "mean")
        share_N = torch.stack([detail.correct_N for detail in details]).double().mean(dim=0).numpy()
        figure = self.share(path, "top1", share_N, chance=1 / len(first.candidates))
        return figure, Answers(*path, "top1", first.ids, share_N, first.species)

    def answers(self, detail: ZeroShotDetail, k: int) -> Answers:
        """Return which images have their class among the first k."""
        value_N = (detail.rank_N < k).double().numpy()
        return Answers(self.task, detail.split, detail.text_type, f"top{k}", detail.ids, value_N, detail.species)

    def _interval(
        self, values_N: NDArray[Any], *path: str, class_N: NDArray[np.int64] | None = None
    ) -> Interval | None:
        """Return the interval of a mean, or of a macro mean where classes are given; None if intervals are off."""
        if not self.bootstrap:
            return None
        seed = derive_seed("bootstrap", *path, self.seed)
        if class_N is None:
            return bootstrap_interval(values_N, seed=seed, resamples=self.bootstrap)
        return stratified_interval(values_N, class_N, seed=seed, resamples=self.bootstrap)
