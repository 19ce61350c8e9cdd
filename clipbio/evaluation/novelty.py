"""Scores that are high where a query has a key of its taxon and low where it has none.

Shape suffixes: Q queries, K keys, T taxa among the keys, k nearest keys.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from clipbio.evaluation.neighbours import nearest_keys, score_chunks
from clipbio.evaluation.pools import Side

__all__ = ["SCORES", "has_key", "novelty_scores"]

SCORES = ("nearest", "mean", "margin")
_LOWEST_COSINE = -1.0


def has_key(query: Side, key: Side, rank: str) -> Tensor:
    """Tell which queries find a key of their taxon at a rank that is not of their own individual."""
    taxon_K, group_K = key.key_N(rank).tolist(), key.group_N.tolist()
    keys = Counter(taxon_K)
    own = Counter(pair for pair in zip(taxon_K, group_K) if pair[1] >= 0)
    asked = zip(query.key_N(rank).tolist(), query.group_N.tolist())
    return torch.tensor([one[0] >= 0 and keys[one[0]] > own[one] for one in asked], dtype=torch.bool)


def novelty_scores(query: Side, key: Side, rank: str, *, k: int) -> tuple[dict[str, Tensor], Tensor]:
    """Return each score of the queries, and the taxon at a rank of the nearest key, which is the answer.

    `nearest` is the cosine with the nearest key, `mean` the mean over the k nearest (fewer where there are fewer),
    `margin` how far the nearest key lies above the best key of any other taxon. Of equally near keys the first one
    answers. A query without any key has -inf and the taxon -1.
    """
    score_Qk, key_Qk = nearest_keys(
        query.vectors_ND, key.vectors_ND, k=k, query_group_Q=query.group_N, key_group_K=key.group_N
    )
    found_Qk = key_Qk >= 0
    mean_Q = score_Qk.masked_fill(~found_Qk, 0).sum(dim=1) / found_Qk.sum(dim=1)
    scores = {
        "nearest": score_Qk[:, 0],
        "mean": torch.where(found_Qk[:, 0], mean_Q, -torch.inf),
        "margin": _margin(query, key, key.key_N(rank)),
    }
    answer_Q = key.key_N(rank)[key_Qk[:, 0]]
    return scores, torch.where(found_Qk[:, 0], answer_Q, -1)


def _margin(query: Side, key: Side, taxon_K: Tensor) -> Tensor:
    """Return the lead of the best taxon over the second; where there is one taxon alone, over the lowest cosine."""
    taxa, place_K = torch.unique(taxon_K, return_inverse=True)
    parts = []
    for _, scores_QK in score_chunks(query.vectors_ND, key.vectors_ND, query.group_N, key.group_N):
        best_QT = scores_QK.new_full((len(scores_QK), max(2, len(taxa))), -torch.inf)
        best_QT.scatter_reduce_(1, place_K.expand(len(scores_QK), -1), scores_QK, "amax")
        top_Q2 = best_QT.topk(2, dim=1).values
        lead_Q = top_Q2[:, 0] - top_Q2[:, 1].clamp(min=_LOWEST_COSINE)
        parts.append(torch.where(top_Q2[:, 0] == -torch.inf, -torch.inf, lead_Q))
    return torch.cat(parts)
