"""From nearest keys to answers: how many wrong ones come before the first right one, and what luck would give.

Shape suffixes: Q queries, K keys, k nearest keys, R ranks, P pairs of a query with a key, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from clipbio.evaluation.metrics import SCORE_TOLERANCE
from clipbio.evaluation.neighbours import Neighbours, nearest_keys, score_chunks

__all__ = ["NEVER", "Answers", "Pairs", "Search", "counts_of", "own_pairs", "places", "taxon_places", "tied_answers"]

NEVER = 1 << 30
_DEEPER = 8


@dataclass(frozen=True)
class Answers:
    """What a benchmark needs to know of each query and rank.

    `place_QR` is the number of wrong answers before the first right one, `NEVER` if none comes. `relevant_QR` answers
    out of `total_QR` are right. `tied_QR` marks queries whose nearest keys differ in label but not in score.
    """

    place_QR: Tensor
    relevant_QR: Tensor
    total_QR: Tensor
    tied_QR: Tensor | None = None


class Pairs(NamedTuple):
    """Queries and the keys of their own individual, sorted by query."""

    query_P: Tensor
    key_P: Tensor


@dataclass(frozen=True)
class Search:
    """Queries and keys as vectors with their individuals; a key whose individual is -1 may be met by everyone."""

    query_QD: Tensor
    key_KD: Tensor
    query_own_Q: Tensor
    key_own_K: Tensor

    def nearest(self, k: int, rows_q: Tensor | None = None) -> Neighbours:
        """Return the k nearest keys of all queries, or of some."""
        rows_q = torch.arange(len(self.query_QD)) if rows_q is None else rows_q
        query_own_q = self.query_own_Q[rows_q]
        return nearest_keys(
            self.query_QD[rows_q], self.key_KD, k=k, query_group_Q=query_own_q, key_group_K=self.key_own_K
        )


def places(key_Qk: Tensor, label_QR: Tensor, label_KR: Tensor) -> Tensor:
    """Return place_QR among the k nearest records: the first one with the label of the query."""
    found_QkR = label_KR[key_Qk.clamp(min=0)].masked_fill((key_Qk < 0)[..., None], -1)
    right_QkR = (found_QkR == label_QR[:, None]) & (found_QkR >= 0)
    first_QR = right_QkR.byte().argmax(dim=1)
    return torch.where(right_QkR.any(dim=1), first_QR, NEVER)


def taxon_places(search: Search, near: Neighbours, label_QR: Tensor, label_KR: Tensor, depth: int) -> Tensor:
    """Return place_QR among distinct taxa, exact below `depth`: keys without a label are passed over.

    Queries whose nearest records name fewer than `depth` taxa are searched deeper.
    """
    place_QR = torch.full_like(label_QR, NEVER)
    rows_q = torch.arange(len(label_QR))
    key_qk = near.key_Qk
    while len(rows_q):
        found_qR, open_q = _distinct_places(key_qk, label_QR[rows_q], label_KR, depth)
        place_QR[rows_q] = found_qR
        if key_qk.shape[1] >= len(label_KR):
            break
        rows_q = rows_q[open_q]
        key_qk = search.nearest(min(len(label_KR), key_qk.shape[1] * _DEEPER), rows_q).key_Qk
    return place_QR


def _distinct_places(key_qk: Tensor, label_qR: Tensor, label_KR: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Return place_qR within these records, and which queries would need more of them."""
    columns: list[Tensor] = []
    open_q = torch.zeros(len(key_qk), dtype=torch.bool)
    for rank in range(label_qR.shape[1]):
        found_qk = label_KR[:, rank][key_qk.clamp(min=0)].masked_fill(key_qk < 0, -1)
        new_qk = _first_occurrence(found_qk) & (found_qk >= 0)
        right_qk = new_qk & (found_qk == label_qR[:, rank, None])
        ahead_q = (new_qk.long().cumsum(dim=1) - 1).masked_fill(~right_qk, 0).sum(dim=1)
        hit_q = right_qk.any(dim=1)
        open_q |= ~hit_q & (new_qk.sum(dim=1) < depth) & (key_qk[:, -1] >= 0)
        columns.append(torch.where(hit_q, ahead_q, NEVER))
    return torch.stack(columns, dim=1), open_q


def _first_occurrence(values_qk: Tensor) -> Tensor:
    """Mark the first occurrence of each value in its row."""
    ordered, order = values_qk.sort(dim=1, stable=True)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.zeros_like(new).scatter(1, order, new)


def tied_answers(search: Search, near: Neighbours, label_KR: Tensor) -> Tensor:
    """Return tied_QR: a key with another label scores as high as the nearest one, so that its row number decided."""
    tied_QR = torch.zeros(len(near.key_Qk), label_KR.shape[1], dtype=torch.bool)
    if near.key_Qk.shape[1] < 2:
        raise ValueError("ties need the two nearest keys")
    best_Q = near.score_Qk[:, 0]
    rows_q = ((near.score_Qk[:, 1] >= best_Q - SCORE_TOLERANCE) & (near.key_Qk[:, 1] >= 0)).nonzero()[:, 0]
    first_qR = label_KR[near.key_Qk[rows_q, 0]]
    chunks = score_chunks(search.query_QD[rows_q], search.key_KD, search.query_own_Q[rows_q], search.key_own_K)
    for chosen, scores_QK in chunks:
        rows = rows_q[chosen]
        row_P, key_P = (scores_QK >= best_Q[rows, None] - SCORE_TOLERANCE).nonzero(as_tuple=True)
        differs_PR = label_KR[key_P] != first_qR[chosen][row_P]
        for rank in range(label_KR.shape[1]):
            tied_QR[rows[row_P[differs_PR[:, rank]]], rank] = True
    return tied_QR


def own_pairs(query_own_Q: Tensor, key_own_K: Tensor) -> Pairs:
    """Return every pair of a query and a key of one individual; an individual of -1 is nobody."""
    ordered_K, order_K = key_own_K.sort(stable=True)
    start_Q = torch.searchsorted(ordered_K, query_own_Q)
    count_Q = torch.searchsorted(ordered_K, query_own_Q, right=True) - start_Q
    count_Q = count_Q.masked_fill(query_own_Q < 0, 0)
    query_P = torch.repeat_interleave(torch.arange(len(query_own_Q)), count_Q)
    before_P = (count_Q.cumsum(0) - count_Q)[query_P]
    return Pairs(query_P, order_K[start_Q[query_P] + torch.arange(len(query_P)) - before_P])


def counts_of(label_QR: Tensor, label_KR: Tensor, own: Pairs) -> tuple[Tensor, Tensor]:
    """Return relevant_QR and total_QR: how many keys have the label of the query, and how many there are for it."""
    columns: list[Tensor] = []
    for rank in range(label_QR.shape[1]):
        label_Q, label_K = label_QR[:, rank].contiguous(), label_KR[:, rank].contiguous()
        ordered_K = label_K.sort().values
        count_Q = torch.searchsorted(ordered_K, label_Q, right=True) - torch.searchsorted(ordered_K, label_Q)
        same_P = (label_Q[own.query_P] == label_K[own.key_P]).long()
        count_Q = count_Q - torch.zeros_like(count_Q).index_add_(0, own.query_P, same_P)
        columns.append(count_Q.masked_fill(label_Q < 0, 0))
    met_Q = torch.zeros(len(label_QR), dtype=torch.long).index_add_(0, own.query_P, torch.ones_like(own.query_P))
    total_Q = len(label_KR) - met_Q
    return torch.stack(columns, dim=1), total_Q[:, None].expand(-1, label_QR.shape[1])
