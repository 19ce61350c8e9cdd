"""Classification by the nearest neighbours: what a space is worth without any training.

Shape suffixes: Q queries, k nearest keys.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.labelled import MODALITIES, Labelled, accuracy_figures
from clipbio.evaluation.neighbours import Neighbours, nearest_keys

__all__ = ["Knn", "voted"]

logger = logging.getLogger(__name__)

VOTES = ("majority", "softmax")


def voted(near: Neighbours, key_class_K: Tensor, k: int, vote: str, temperature: float) -> Tensor:
    """Return the class that the k nearest keys of each query vote for, -1 without any; a tie goes to the nearer key.

    Args:
        near: At least k keys of each query, the nearest first.
        key_class_K: Class of each key.
        k: How many vote.
        vote: `majority`, one vote each; `softmax`, votes of exp(cosine / temperature).
        temperature: Divisor of the cosines.
    """
    score_Qk, key_Qk = near.score_Qk[:, :k], near.key_Qk[:, :k]
    class_Qk = torch.where(key_Qk >= 0, key_class_K[key_Qk.clamp(min=0)], -1)
    weight_Qk = (key_Qk >= 0).float()
    if vote == "softmax":
        # Relative to the nearest: exp does not overflow, and all votes of a query are scaled alike.
        weight_Qk = weight_Qk * ((score_Qk - score_Qk[:, :1]) / temperature).nan_to_num(nan=0.0).exp()
    total_Qk = torch.stack(
        [(weight_Qk * (class_Qk == class_Qk[:, place, None])).sum(dim=1) for place in range(class_Qk.shape[1])], dim=1
    )
    # argmax takes the first, which is the nearest; a rounding step between equal sums must not decide.
    best_Q = (total_Qk >= total_Qk.amax(dim=1, keepdim=True) - 1e-5).int().argmax(dim=1)
    return class_Qk.gather(1, best_Q[:, None])[:, 0]


class Knn:
    """k nearest neighbours by cosine, exact; figures under `knn/SPLIT/k{k}`: `top1` and `macro_top1`.

    The keys are the other specimens of the judged split, one left out at a time, or those of another split. A specimen
    never meets one of its own individual. Only keys of classes that are asked for take part. Queries whose class has no
    key (in their own split: of no other individual) are not judged, and counted as `left_out`. The interval of `top1`
    redraws specimens, its second one and that of `macro_top1` species.

    Votes weighted by softmax with temperature 0.07: Caron et al. 2021, https://arxiv.org/abs/2104.14294.

    Args:
        ks: how many neighbours vote.
        vote: `majority` or `softmax`.
        temperature: divisor of the cosines under `softmax`.
        keys: the split with the neighbours, such as `train`; None is the judged split itself.
        modality: `image` or `dna`.
        splits: the splits to judge; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the intervals.
    """

    def __init__(
        self,
        *,
        ks: Sequence[int] = (1, 5, 20),
        vote: Literal["majority", "softmax"] = "softmax",
        temperature: float = 0.07,
        keys: str | None = None,
        modality: Literal["image", "dna"] = "image",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("knn", "vote", [vote], VOTES)
        check_choices("knn", "modality", [modality], MODALITIES)
        self.ks = tuple(dict.fromkeys(ks))
        if not self.ks or min(self.ks) < 1 or temperature <= 0:
            raise ClipbioError(
                f"benchmark knn: ks={list(ks)} must be numbers from 1 up, temperature={temperature} above 0"
            )
        self.vote, self.temperature, self.keys, self.modality = vote, temperature, keys, modality
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Ask for the split with the keys."""
        return (self.keys,) if evaluated and self.keys is not None and self.keys in available else ()

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Judge each split."""
        del encode_text
        if self.keys is not None and self.keys not in data:
            logger.warning("benchmark knn: the data has no split %s to take neighbours from", self.keys)
            return Result()
        result = Result()
        for split in evaluated:
            queries = Labelled.of(data[split], self.modality, "knn")
            keys = queries if self.keys in (None, split) else Labelled.of(data[str(self.keys)], self.modality, "knn")
            result += self._judge(split, queries, keys.take(np.isin(keys.key_N, queries.key_N)))
        return result

    def _judge(self, split: str, queries: Labelled, keys: Labelled) -> Result:
        chosen = queries.take(_answerable(queries, keys))
        if not len(chosen):
            logger.warning("benchmark knn: no class of %s has a neighbour", split)
            return Result()
        near = nearest_keys(
            chosen.vectors_ND,
            keys.vectors_ND,
            k=max(self.ks),
            query_group_Q=torch.from_numpy(chosen.group_N),
            key_group_K=torch.from_numpy(keys.group_N),
        )
        chance = 1 / len(np.unique(keys.key_N))
        figures: list[Figure] = []
        answers = []
        for k in self.ks:
            path = ("knn", split, f"k{k}")
            voted_Q = voted(near, torch.from_numpy(keys.key_N), k, self.vote, self.temperature).numpy()
            right_Q = voted_Q == chosen.key_N
            figures += accuracy_figures(
                path, right_Q, chosen.key_N, chance=chance, bootstrap=self.bootstrap, seed=self.seed
            )
            figures.append(Figure(*path, "left_out", len(queries) - len(chosen)))
            answers.append(Answers(*path, "top1", chosen.ids, right_Q.astype(np.float64), chosen.name_N))
        return Result(flatten(figures), answers=tuple(answers))


def _answerable(queries: Labelled, keys: Labelled) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which queries have a key of their class that is of another individual."""
    class_U, place = np.unique(keys.key_N, return_inverse=True)
    pair = np.unique(np.stack([place.reshape(-1), keys.group_N]), axis=1)
    individuals_U = np.bincount(pair[0].astype(np.int64), minlength=len(class_U))
    known = set(zip(class_U[pair[0].astype(np.int64)].tolist(), pair[1].tolist(), strict=True))
    count = dict(zip(class_U.tolist(), individuals_U.tolist(), strict=True))
    pairs = zip(queries.key_N.tolist(), queries.group_N.tolist(), strict=True)
    return np.array([count.get(one[0], 0) - (one in known) > 0 for one in pairs], bool)
