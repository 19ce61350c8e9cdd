"""From nearest keys to answers: how many wrong ones come before the first right one, and what luck would give.

Shape suffixes: Q queries, q and c some of them, K keys, k nearest or labelled ones, R ranks, P pairs of a query with a
key, D dimensions, T taxa.
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

    def nearest(self, k: int) -> Neighbours:
        """Return the k nearest keys of all queries."""
        return nearest_keys(self.query_QD, self.key_KD, k=k, query_group_Q=self.query_own_Q, key_group_K=self.key_own_K)


def places(key_Qk: Tensor, label_QR: Tensor, label_KR: Tensor) -> Tensor:
    """Return place_QR among the k nearest records: the first one with the label of the query."""
    found_QkR = label_KR[key_Qk.clamp(min=0)].masked_fill((key_Qk < 0)[..., None], -1)
    right_QkR = (found_QkR == label_QR[:, None]) & (found_QkR >= 0)
    first_QR = right_QkR.byte().argmax(dim=1)
    return torch.where(right_QkR.any(dim=1), first_QR, NEVER)


def taxon_places(search: Search, near: Neighbours, label_QR: Tensor, label_KR: Tensor, depth: int) -> Tensor:
    """Return place_QR among distinct taxa, exact below `depth`: keys without a label are passed over.

    Queries whose nearest records name fewer than `depth` taxa, and not the true one, are compared with all keys, if a
    key has their label.
    """
    relevant_QR, _ = counts_of(label_QR, label_KR, own_pairs(search.query_own_Q, search.key_own_K))
    place_QR, seen_QR = _distinct_places(near.key_Qk, label_QR, label_KR)
    enough_R = torch.tensor([min(depth, len(torch.unique(one[one >= 0]))) for one in label_KR.unbind(dim=1)])
    open_QR = (place_QR == NEVER) & (relevant_QR > 0) & (seen_QR < enough_R)
    rows_q = open_QR.any(dim=1).nonzero()[:, 0]
    if len(rows_q):
        _search_all(search, rows_q, open_QR, place_QR, label_QR, label_KR)
    return place_QR


def _distinct_places(key_Qk: Tensor, label_QR: Tensor, label_KR: Tensor) -> tuple[Tensor, Tensor]:
    """Return place_QR within these records, and how many taxa they name."""
    columns: list[Tensor] = []
    seen: list[Tensor] = []
    for label_Q, label_K in zip(label_QR.unbind(dim=1), label_KR.unbind(dim=1), strict=True):
        found_Qk = label_K[key_Qk.clamp(min=0)].masked_fill(key_Qk < 0, -1)
        new_Qk = _first_occurrence(found_Qk) & (found_Qk >= 0)
        right_Qk = new_Qk & (found_Qk == label_Q[:, None])
        ahead_Q = (new_Qk.long().cumsum(dim=1) - 1).masked_fill(~right_Qk, 0).sum(dim=1)
        columns.append(torch.where(right_Qk.any(dim=1), ahead_Q, NEVER))
        seen.append(new_Qk.sum(dim=1))
    return torch.stack(columns, dim=1), torch.stack(seen, dim=1)


def _search_all(
    search: Search, rows_q: Tensor, open_QR: Tensor, place_QR: Tensor, label_QR: Tensor, label_KR: Tensor
) -> None:
    """Fill in the places that are open by the scores of all keys, some rows at a time."""
    own_q = search.query_own_Q[rows_q]
    for chosen, scores_cK in score_chunks(search.query_QD[rows_q], search.key_KD, own_q, search.key_own_K):
        rows_c = rows_q[chosen]
        for rank in open_QR[rows_c].any(dim=0).nonzero()[:, 0].tolist():
            among_c = open_QR[rows_c, rank]
            asked = rows_c[among_c]
            place_QR[asked, rank] = _place_among_all(scores_cK[among_c], label_QR[asked, rank], label_KR[:, rank])


def _place_among_all(scores_cK: Tensor, label_c: Tensor, label_K: Tensor) -> Tensor:
    """Return how many taxa have a better key than the true one, of equally good ones a key that stands before it."""
    known_k = (label_K >= 0).nonzero()[:, 0]
    name_T, taxon_k = torch.unique(label_K[known_k], return_inverse=True)
    scores_ck, taxon_ck = scores_cK[:, known_k], taxon_k.expand(len(scores_cK), -1)
    best_cT = torch.full((len(scores_cK), len(name_T)), -torch.inf).scatter_reduce_(1, taxon_ck, scores_ck, "amax")
    row_ck = torch.where(scores_ck == best_cT.gather(1, taxon_ck), torch.arange(len(known_k)), len(known_k))
    first_cT = torch.full(best_cT.shape, len(known_k)).scatter_reduce_(1, taxon_ck, row_ck, "amin")
    true_c1 = torch.searchsorted(name_T, label_c)[:, None]
    best_c1, first_c1 = best_cT.gather(1, true_c1), first_cT.gather(1, true_c1)
    ahead_cT = (best_cT > best_c1) | ((best_cT == best_c1) & (first_cT < first_c1))
    return torch.where(best_c1[:, 0] > -torch.inf, ahead_cT.sum(dim=1), NEVER)


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
