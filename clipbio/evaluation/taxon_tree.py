"""The tree of the taxa that keys belong to, and sums of what speaks for each taxon of it.

Shape suffixes: N specimens, K keys, Q queries, R ranks, M nodes (taxa of the tree).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clipbio.taxonomy import RANKS

__all__ = ["NOT_IN_TREE", "UNKNOWN", "TaxonTree"]

UNKNOWN, NOT_IN_TREE = -1, -2


@dataclass(frozen=True)
class TaxonTree:
    """Taxa in the order of their ranks, so that every parent stands before its children.

    `parent_M` is -1 for a taxon that hangs on the root. A taxon hangs on the deepest rank above it that any of its
    records names; where records name different parents the most frequent one wins, of equally frequent ones the lower
    key. So a rank that a record leaves out breaks nothing, and no taxon has two parents.
    """

    key_M: Tensor
    rank_M: Tensor
    parent_M: Tensor

    @classmethod
    def from_lineages(cls, taxon_KR: Tensor) -> TaxonTree:
        """Make the tree of lineage keys (`Taxon.rank_keys`), -1 where a rank is not known."""
        keys = [torch.unique(column[column >= 0]) for column in taxon_KR.unbind(dim=1)]
        rank_M = torch.repeat_interleave(torch.arange(len(keys)), torch.tensor([len(one) for one in keys]))
        bare = cls(torch.cat(keys), rank_M, torch.full_like(rank_M, -1))
        node_KR = bare.nodes(taxon_KR)
        parent_M = bare.parent_M.clone()
        for rank in range(1, taxon_KR.shape[1]):
            for above in range(rank - 1, -1, -1):
                child, parent = _majority(node_KR[:, rank], node_KR[:, above])
                without = parent_M[child] < 0
                parent_M[child[without]] = parent[without]
        return cls(bare.key_M, rank_M, parent_M)

    def __len__(self) -> int:
        return len(self.key_M)

    @property
    def num_ranks(self) -> int:
        """Return the number of ranks."""
        return len(RANKS)

    def nodes(self, taxon_NR: Tensor) -> Tensor:
        """Return node_NR: the node of each rank, UNKNOWN where there is no label, NOT_IN_TREE where it has no key."""
        node_NR = torch.full_like(taxon_NR, UNKNOWN)
        for rank in range(taxon_NR.shape[1]):
            of_rank = (self.rank_M == rank).nonzero()[:, 0]
            column = taxon_NR[:, rank].contiguous()
            if len(of_rank):
                place = torch.searchsorted(self.key_M[of_rank], column).clamp(max=len(of_rank) - 1)
                found = torch.where(self.key_M[of_rank][place] == column, of_rank[place], NOT_IN_TREE)
            else:
                found = torch.full_like(column, NOT_IN_TREE)
            node_NR[:, rank] = torch.where(column >= 0, found, UNKNOWN)
        return node_NR

    @cached_property
    def lineage_MR(self) -> Tensor:
        """Return for each node its ancestors and itself, one per rank, UNKNOWN where its lineage has a gap."""
        lineage_MR = torch.full((len(self) + 1, self.num_ranks), UNKNOWN)
        for rank in range(self.num_ranks):
            of_rank = (self.rank_M == rank).nonzero()[:, 0]
            # The root, whose lineage is empty, stands last, where -1 points to.
            lineage_MR[of_rank] = lineage_MR[self.parent_M[of_rank]]
            lineage_MR[of_rank, rank] = of_rank
        return lineage_MR[:-1]

    def sum_up(self, own_QM: Tensor) -> Tensor:
        """Return for each node the sum of what speaks for itself and for all nodes below it."""
        total_QM = own_QM.clone()
        for rank in range(self.num_ranks - 1, 0, -1):
            of_rank = ((self.rank_M == rank) & (self.parent_M >= 0)).nonzero()[:, 0]
            total_QM.index_add_(1, self.parent_M[of_rank], total_QM[:, of_rank])
        return total_QM

    def descend(self, score_QM: Tensor, *, slack: float | None = None) -> Tensor:
        """Return node_Q, where the way from the root ends that takes the best child at each step; -1 is the root.

        It ends at a leaf, or where no child has a score above 0. Of equally good children the first is taken; with
        `slack` the way ends where the second best has at least this share of the score of the best.
        """
        node_Q = torch.full((len(score_QM),), -1)
        for _ in range(self.num_ranks if len(self) else 0):
            child_QM = score_QM.masked_fill(self.parent_M != node_Q[:, None], 0)
            best, place = child_QM.max(dim=1)
            goes_on = best > 0
            if slack is not None:
                second = child_QM.scatter_(1, place[:, None], 0).amax(dim=1)
                goes_on &= second < slack * best
            node_Q = torch.where(goes_on, place, node_Q)
        return node_Q


def deepest(node_NR: Tensor) -> Tensor:
    """Return the deepest node of each row, -1 if there is none."""
    node_N = torch.full((len(node_NR),), -1)
    for column in node_NR.unbind(dim=1):
        node_N = torch.where(column >= 0, column, node_N)
    return node_N


def _majority(child_K: Tensor, parent_K: Tensor) -> tuple[Tensor, Tensor]:
    """Return each child that occurs with a parent, and the parent with which it occurs most often."""
    known = (child_K >= 0) & (parent_K >= 0)
    pairs, count = torch.unique(torch.stack([child_K[known], parent_K[known]], dim=1), dim=0, return_counts=True)
    # Pairs are sorted by child and parent; a stable sort by count leaves the lower parent first.
    order = count.argsort(descending=True, stable=True)
    order = order[pairs[order, 0].argsort(stable=True)]
    child = pairs[order, 0]
    first = torch.ones(len(child), dtype=torch.bool)
    first[1:] = child[1:] != child[:-1]
    return child[first], pairs[order[first], 1]
