"""Two stages: an answer among seen species is kept where it is sure enough, else one among unseen species stands in.

Shape suffixes: Q queries, k slots (the ranked answers of a query), K keys, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipbio.evaluation.metrics import FloatArray, harmonic_mean
from clipbio.evaluation.neighbours import nearest_keys
from clipbio.evaluation.pools import Side
from clipbio.evaluation.probe import logistic_regression

__all__ = ["Classifier", "Stage", "Staged", "best_split_threshold", "nearest_stage"]


class Stage(NamedTuple):
    """The ranked answers of one stage: how sure they are, and their taxa, -1 where there is none."""

    score_Qk: Tensor
    taxon_Qk: Tensor


def nearest_stage(query: Side, key: Side, rank: str, *, k: int) -> Stage:
    """Return the taxa of the k nearest keys with their cosines."""
    score_Qk, key_Qk = nearest_keys(
        query.vectors_ND, key.vectors_ND, k=k, query_group_Q=query.group_N, key_group_K=key.group_N
    )
    return Stage(score_Qk, torch.where(key_Qk >= 0, key.key_N(rank)[key_Qk], -1))


class Classifier:
    """Logistic regression over the taxa of the keys; features are centred, and scaled by one number.

    Args:
        key: keys, each with a taxon at the rank.
        rank: the rank of the classes.
        strength: inverse of the L2 penalty.
        seed: seed of the solver.
    """

    def __init__(self, key: Side, rank: str, *, strength: float, seed: int) -> None:
        self._mean_D = key.vectors_ND.mean(dim=0)
        self._scale = float((key.vectors_ND - self._mean_D).std(correction=0)) or 1.0
        vectors_ND = self._scaled(key.vectors_ND)
        self._model: Any = logistic_regression(vectors_ND, key.key_N(rank).numpy(), strength, seed)

    def _scaled(self, vectors_ND: Tensor) -> FloatArray:
        scaled: FloatArray = ((vectors_ND - self._mean_D) / self._scale).double().numpy()
        return scaled

    def stage(self, query: Side, *, k: int) -> Stage:
        """Return the k most probable taxa with their probabilities (fewer taxa leave the last slots empty)."""
        probability_QC = torch.from_numpy(self._model.predict_proba(self._scaled(query.vectors_ND)))
        score, place = probability_QC.sort(dim=1, descending=True, stable=True)
        taxon = torch.from_numpy(self._model.classes_)[place]
        pad = (0, max(0, k - score.shape[1]))
        return Stage(
            torch.nn.functional.pad(score, pad, value=-torch.inf)[:, :k],
            torch.nn.functional.pad(taxon, pad, value=-1)[:, :k],
        )


class Staged(NamedTuple):
    """Both stages of some queries, and their true taxa."""

    first: Stage
    second: Stage
    true_Q: Tensor

    def kept(self, threshold: float) -> Tensor:
        """Tell which slots of the first stage are above the threshold, compared in double precision."""
        return self.first.score_Qk.double() > threshold

    def place(self, threshold: float) -> Tensor:
        """Return the first slot with the true taxon, the number of slots where none has it.

        A slot of the first stage is kept if its score is above the threshold, else the same slot of the second stands
        in.
        """
        taxon_Qk = torch.where(self.kept(threshold), self.first.taxon_Qk, self.second.taxon_Qk)
        hits_Qk = taxon_Qk == self.true_Q[:, None]
        return torch.where(hits_Qk.any(dim=1), hits_Qk.int().argmax(dim=1), taxon_Qk.shape[1])

    def accuracy(self, thresholds_T: FloatArray) -> FloatArray:
        """Return the share of queries whose first slot is right at each threshold."""
        score, order = self.first.score_Qk[:, 0].double().sort()
        first, second = (
            np.concatenate([[0.0], (stage.taxon_Qk[:, 0] == self.true_Q)[order].double().numpy().cumsum()])
            for stage in (self.first, self.second)
        )
        replaced_T = np.searchsorted(score.numpy(), thresholds_T.astype(np.float64), side="right")
        right_T: FloatArray = (first[-1] - first[replaced_T] + second[replaced_T]) / len(order)
        return right_T


def best_split_threshold(seen: Staged, unseen: Staged, *, steps: int = 1000) -> float:
    """Return the threshold among equally spaced ones in [0, 1] with the best harmonic mean of both accuracies.

    Of equally good thresholds the lowest.
    """
    thresholds = np.linspace(0, 1, steps)
    means = harmonic_mean(seen.accuracy(thresholds), unseen.accuracy(thresholds))
    return float(thresholds[int(np.argmax(means))])
