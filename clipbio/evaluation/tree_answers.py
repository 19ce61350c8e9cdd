"""Three ways from the similarities of keys to one taxon per rank, the first of which follows the tree.

Shape suffixes: Q queries, K keys, R ranks, M nodes (taxa of the tree), T temperatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from clipbio.evaluation.neighbours import score_chunks
from clipbio.evaluation.pools import Side
from clipbio.evaluation.taxon_tree import TaxonTree, deepest

__all__ = ["TreeAnswers", "Votes", "answer", "choose_temperature"]

Votes = Literal["keys", "taxa"]
_LEAST = 1e-12


class TreeAnswers(NamedTuple):
    """Nodes of the tree per query and rank, -1 where nothing is answered.

    `path_QR` is the way down the tree, with its confidences; `best_QR` the node with the highest score at each rank by
    itself; `nearest_QR` the label of the nearest key that has one at this rank.
    """

    path_QR: Tensor
    confidence_QR: Tensor
    best_QR: Tensor
    nearest_QR: Tensor


def _scores(scores_QK: Tensor, node_K: Tensor, tree: TaxonTree, temperature: float, votes: Votes) -> Tensor:
    """Return the share of the softmax that lies on each node and below it; zeros for a query without keys."""
    own_QM = scores_QK.new_zeros(len(scores_QK), len(tree))
    if votes == "keys":
        weight_QK = torch.softmax(scores_QK.double() / temperature, dim=1).nan_to_num(nan=0.0)
        own_QM = own_QM.double().index_add_(1, node_K, weight_QK)
    else:
        best_QM = (own_QM - torch.inf).scatter_reduce_(1, node_K.expand(len(scores_QK), -1), scores_QK, "amax")
        own_QM = torch.softmax(best_QM.double() / temperature, dim=1).nan_to_num(nan=0.0)
    return tree.sum_up(own_QM)


def answer(query: Side, key: Side, tree: TaxonTree, *, temperature: float, votes: Votes) -> TreeAnswers:
    """Answer every query with one taxon per rank; keys of its own individual are left out.

    Args:
        query: the queries.
        key: the keys, each with at least one known rank.
        tree: the tree of the keys.
        temperature: the similarities are divided by it before the softmax.
        votes: `keys` = every key has a share of the softmax; `taxa` = every taxon has, by its nearest key.
    """
    key_KR = tree.nodes(key.taxon_NR)
    node_K = deepest(key_KR)
    parts = []
    for _, scores_QK in score_chunks(query.vectors_ND, key.vectors_ND, query.group_N, key.group_N):
        score_QM = _scores(scores_QK, node_K, tree, temperature, votes)
        path_QR = _lineage(tree, tree.descend(score_QM))
        confidence_QR = score_QM.gather(1, path_QR.clamp(min=0)).masked_fill(path_QR < 0, 0)
        parts.append(TreeAnswers(path_QR, confidence_QR, _best(tree, score_QM), _nearest(scores_QK, key_KR)))
    return TreeAnswers(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _lineage(tree: TaxonTree, node_Q: Tensor) -> Tensor:
    lineage_QR = tree.lineage_MR[node_Q.clamp(min=0)]
    return lineage_QR.masked_fill(node_Q[:, None] < 0, -1)


def _best(tree: TaxonTree, score_QM: Tensor) -> Tensor:
    best_QR = torch.full((len(score_QM), tree.num_ranks), -1)
    for rank in range(tree.num_ranks):
        of_rank = (tree.rank_M == rank).nonzero()[:, 0]
        if len(of_rank):
            best, place = score_QM[:, of_rank].max(dim=1)
            best_QR[:, rank] = torch.where(best > 0, of_rank[place], -1)
    return best_QR


def _nearest(scores_QK: Tensor, key_KR: Tensor) -> Tensor:
    """Return per rank the label of the nearest key that is labelled there, of equally near keys the first."""
    nearest_QR = torch.full((len(scores_QK), key_KR.shape[1]), -1)
    labelled_KR = key_KR >= 0
    masks_KD, which_R = torch.unique(labelled_KR, dim=1, return_inverse=True)
    for number, labelled_K in enumerate(masks_KD.unbind(dim=1)):
        if bool(labelled_K.any()):
            ranks = (which_R == number).nonzero()[:, 0]
            best, place = scores_QK.masked_fill(~labelled_K, -torch.inf).max(dim=1)
            nearest_QR[:, ranks] = key_KR[place][:, ranks].masked_fill(best[:, None] == -torch.inf, -1)
    return nearest_QR


def choose_temperature(query: Side, key: Side, tree: TaxonTree, temperatures: Sequence[float], votes: Votes) -> float:
    """Return the temperature under which queries give their true taxon the highest mean log confidence.

    The true taxon is the deepest one of the query's lineage that the tree has; queries without any do not count. Of
    equally good temperatures the first.
    """
    node_K, true_Q = deepest(tree.nodes(key.taxon_NR)), deepest(tree.nodes(query.taxon_NR))
    sums = torch.zeros(len(temperatures), dtype=torch.float64)
    for rows, scores_QK in score_chunks(query.vectors_ND, key.vectors_ND, query.group_N, key.group_N):
        has_true = true_Q[rows] >= 0
        for place, temperature in enumerate(temperatures):
            score_QM = _scores(scores_QK[has_true], node_K, tree, temperature, votes)
            sums[place] += score_QM.gather(1, true_Q[rows][has_true, None]).clamp(min=_LEAST).log().sum()
    return temperatures[int(sums.argmax())]
