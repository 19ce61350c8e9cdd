"""How well a trained classifier over taxa places images in the classes that it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import bootstrap_interval, target_ranks
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["Answers", "Classification"]

Answers = Callable[[Tensor, Tensor], Mapping[str, tuple[Tensor, Tensor]]]
"""Turn vectors_ND and taxon_NR into logits_NC and the right class_N (-1 where it is none of them) for each rank."""

_IMAGES_AT_ONCE = 4096


class _Judged(NamedTuple):
    """Per image whether the answer is right and whether the classifier knows its taxon; the number of classes."""

    correct_N: Tensor
    known_N: Tensor
    classes: int


class Classification:
    """Figures under `classification/SPLIT/RANK`: `top1` over the images whose taxon the classifier knows.

    `unseen_images` and `unseen_taxa` say what was left out because no train specimen has that taxon; images that are
    not labelled at a rank count nowhere. A tie is a wrong answer.

    Args:
        answers: What the classifier says of images.
        seed: Seed of the intervals.
    """

    splits: tuple[str, ...] | None = None

    def __init__(self, answers: Answers, *, seed: int = 0) -> None:
        self.answers = answers
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Measure one split; texts are not asked for."""
        del encode_text
        taxon_CR = torch.tensor([candidate.taxon.rank_keys for candidate in data.classes], dtype=torch.int64)
        taxon_NR = taxon_CR.reshape(-1, len(RANKS))[data.images.class_N]
        figures: list[Figure] = []
        for rank, judged in self._judged(data.images.vectors_ND, taxon_NR).items():
            figures += self._figures(("classification", data.split, rank), judged, taxon_NR[:, RANKS.index(rank)])
        return Result(flatten(figures))

    def _judged(self, vectors_ND: Tensor, taxon_NR: Tensor) -> dict[str, _Judged]:
        """Ask the classifier about some images at a time."""
        parts: dict[str, list[_Judged]] = {}
        for rows in torch.split(torch.arange(len(taxon_NR)), _IMAGES_AT_ONCE):
            for rank, (logits_NC, place_N) in self.answers(vectors_ND[rows], taxon_NR[rows]).items():
                correct_N = target_ranks(logits_NC, place_N.clamp(min=0)) == 0
                one = _Judged(correct_N.cpu(), (place_N >= 0).cpu(), logits_NC.shape[1])
                parts.setdefault(rank, []).append(one)
        return {
            rank: _Judged(
                torch.cat([one.correct_N for one in found]), torch.cat([one.known_N for one in found]), found[0].classes
            )
            for rank, found in parts.items()
        }

    def _figures(self, path: tuple[str, str, str], judged: _Judged, key_N: Tensor) -> Iterator[Figure]:
        correct = judged.correct_N[judged.known_N].double().numpy()
        unseen_N = ~judged.known_N & (key_N >= 0)
        yield Figure(*path, "unseen_images", int(unseen_N.sum()))
        yield Figure(*path, "unseen_taxa", len(set(key_N[unseen_N].tolist())))
        if not len(correct):
            yield Figure(*path, "top1", n=0)
            return
        interval = bootstrap_interval(correct, seed=derive_seed("bootstrap", *path, self.seed))
        chance = 1 / judged.classes
        yield Figure.measured(
            path, "top1", value=float(correct.mean()), interval=interval, n=len(correct), chance=chance
        )
