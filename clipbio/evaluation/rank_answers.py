"""Zero-shot answers at every rank: classes rolled up their tree, and taxa of each rank by a text of their own.

Shape suffixes: N images, C classes, M nodes (taxa of the tree), R ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipbio.evaluation.embeddings import Candidate, Candidates
from clipbio.evaluation.metrics import SCORE_TOLERANCE, FloatArray
from clipbio.evaluation.taxon_tree import TaxonTree, deepest
from clipbio.taxonomy import RANKS, Taxon, stable_hash

__all__ = ["ClassTree", "Placed", "RankAnswers", "answer_ranks", "fit_temperature"]

_CELLS = 1 << 22
_SPECIES = RANKS.index("species")


@dataclass(frozen=True)
class ClassTree:
    """The classes of a split in the tree of their taxa; `node_CR` is the node of a class at each rank, -1 for a gap."""

    candidates: Candidates
    tree: TaxonTree
    node_CR: Tensor

    @classmethod
    def of(cls, candidates: Candidates) -> ClassTree:
        """Return the tree of the classes.

        A class without a binomial stands as a species under its label.
        """
        keys = [list(one.taxon.rank_keys) for one in candidates]
        for row, one in zip(keys, candidates, strict=True):
            if row[_SPECIES] < 0 and one.label:
                row[_SPECIES] = stable_hash("label", one.label)
        taxon_CR = torch.tensor(keys, dtype=torch.long).reshape(len(keys), len(RANKS))
        tree = TaxonTree.from_lineages(taxon_CR)
        return cls(candidates, tree, tree.nodes(taxon_CR))

    @cached_property
    def node_C(self) -> Tensor:
        """Return the deepest node of each class: the class itself."""
        return deepest(self.node_CR)

    @cached_property
    def num_taxa_R(self) -> Tensor:
        """Return the number of taxa at each rank."""
        return torch.bincount(self.tree.rank_M, minlength=len(RANKS))

    @cached_property
    def taxa(self) -> Candidates:
        """Return every node as something that can be named: a class as it is, a taxon above by its lineage."""
        items: list[Candidate | None] = [None] * len(self.tree)
        for candidate, row in zip(self.candidates, self.node_CR.tolist(), strict=True):
            for rank, node in enumerate(row):
                if node >= 0 and items[node] is None:
                    items[node] = _taxon(candidate, rank)
        for candidate, node in zip(self.candidates, self.node_C.tolist(), strict=True):
            items[node] = candidate
        return Candidates(tuple(one for one in items if one is not None))

    @cached_property
    def sharing_CR(self) -> Tensor:
        """Return the share of all classes that agree with a class at each rank or at a deeper one."""
        count_M = torch.bincount(self.node_CR[self.node_CR >= 0], minlength=len(self.tree))
        count_CR = count_M[self.node_CR.clamp(min=0)].masked_fill(self.node_CR < 0, 0)
        return count_CR.flip(1).cummax(dim=1).values.flip(1).double() / max(1, len(self.node_CR))


def _taxon(candidate: Candidate, rank: int) -> Candidate:
    if rank == _SPECIES:
        return candidate
    names = candidate.taxon.ranks
    taxon = Taxon(*names[: rank + 1], *[""] * (_SPECIES - rank))
    return Candidate(taxon.key, names[rank], taxon)


class Placed(NamedTuple):
    """Images and the classes they are placed in: unit vectors, class numbers, and one unit vector per class."""

    images_ND: Tensor
    class_N: Tensor
    prototypes_CD: Tensor


class RankAnswers(NamedTuple):
    """What is answered for each image: nodes of the tree, -1 where the best is not unique.

    `class_N` is the class with the most similar text. Its shares of the softmax are summed up the tree: at each rank
    `rolled_NR` has the largest sum, `confidence_NR` (that of a tie too), while the true taxon has `true_NR`, and
    `square_NR` is the sum of all squares. `path_NR` goes down from the root by these sums, with `path_confidence_NR`.
    `text_NR` is the taxon of a rank whose own text is most similar, and `text_path_NR` goes down by these texts. Both
    ways end where two children tie.
    """

    class_N: Tensor
    rolled_NR: Tensor
    confidence_NR: Tensor
    true_NR: Tensor
    square_NR: Tensor
    path_NR: Tensor
    path_confidence_NR: Tensor
    text_NR: Tensor
    text_path_NR: Tensor


def answer_ranks(classes: ClassTree, placed: Placed, texts_MD: Tensor, *, temperature: float) -> RankAnswers:
    """Answer every image at every rank, in chunks.

    Args:
        classes: The classes and their tree.
        placed: The images and the texts of the classes.
        texts_MD: Unit vectors of the taxa of the tree.
        temperature: Cosines are divided by it before the softmax.
    """
    parts = []
    for rows in _chunks(len(placed.images_ND), len(classes.tree)):
        images_ND = placed.images_ND[rows].float().cpu()
        truth_NR = classes.node_CR[placed.class_N[rows].cpu()]
        cosine_NC = images_ND @ placed.prototypes_CD.T
        parts.append(_answer(classes, cosine_NC, images_ND @ texts_MD.T, truth_NR, temperature))
    return RankAnswers(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _chunks(images: int, width: int) -> Iterator[slice]:
    rows = max(1, _CELLS // max(1, width))
    return (slice(start, start + rows) for start in range(0, images, rows))


def _answer(
    classes: ClassTree, cosine_NC: Tensor, text_NM: Tensor, truth_NR: Tensor, temperature: float
) -> RankAnswers:
    tree = classes.tree
    share_NC = torch.softmax(cosine_NC.double() / temperature, dim=1)
    own_NM = share_NC.new_zeros(len(cosine_NC), len(tree)).index_add_(1, classes.node_C, share_NC)
    sum_NM = tree.sum_up(own_NM)
    # Cosines within the tolerance are a tie, so shares within its exponential are one.
    slack = float(np.exp(-SCORE_TOLERANCE / temperature))
    rolled_NR, text_NR = (torch.full_like(truth_NR, -1) for _ in range(2))
    square_NR, confidence_NR = (torch.zeros(truth_NR.shape, dtype=torch.float64) for _ in range(2))
    for rank in range(tree.num_ranks):
        of_rank = (tree.rank_M == rank).nonzero()[:, 0]
        if len(of_rank):
            rolled_NR[:, rank] = _unique_best(sum_NM[:, of_rank], of_rank, factor=slack)
            text_NR[:, rank] = _unique_best(text_NM[:, of_rank], of_rank, minus=SCORE_TOLERANCE)
            square_NR[:, rank] = (sum_NM[:, of_rank] ** 2).sum(dim=1)
            confidence_NR[:, rank] = sum_NM[:, of_rank].amax(dim=1)
    # Cosines plus 2 lie between 1 and 3.
    ways = ((sum_NM, slack), (text_NM.double() + 2, 1 - SCORE_TOLERANCE / 2))
    path_NR, text_path_NR = (_lineage(tree, tree.descend(score, slack=one)) for score, one in ways)
    shares = (sum_NM.gather(1, one.clamp(min=0)).masked_fill(one < 0, 0) for one in (truth_NR, path_NR))
    true_NR, path_confidence_NR = shares
    class_N = _unique_best(cosine_NC, torch.arange(cosine_NC.shape[1]), minus=SCORE_TOLERANCE)
    return RankAnswers(
        class_N, rolled_NR, confidence_NR, true_NR, square_NR, path_NR, path_confidence_NR, text_NR, text_path_NR
    )


def _unique_best(scores_NK: Tensor, of_K: Tensor, *, factor: float = 1.0, minus: float = 0.0) -> Tensor:
    """Return what has the highest score, -1 where the second one ties with it."""
    best, place = scores_NK.topk(min(2, scores_NK.shape[1]), dim=1)
    alone = best[:, -1] < best[:, 0] * factor - minus if best.shape[1] > 1 else torch.ones(len(best), dtype=torch.bool)
    return torch.where(alone, of_K[place[:, 0]], -1)


def _lineage(tree: TaxonTree, node_N: Tensor) -> Tensor:
    return tree.lineage_MR[node_N.clamp(min=0)].masked_fill(node_N[:, None] < 0, -1)


def fit_temperature(placed: Sequence[Placed], *, most: int = 5000, seed: int = 0) -> float:
    """Return the temperature with the lowest mean negative log likelihood of the true classes (Guo et al. 2017).

    Args:
        placed: Images and classes of each validation split.
        most: Images that are drawn of each split at most.
        seed: Seed of the draw.
    """
    from scipy.optimize import minimize_scalar

    parts: list[tuple[Tensor, Tensor]] = []
    for one in placed:
        rows = torch.randperm(len(one.images_ND), generator=torch.Generator().manual_seed(seed))[:most]
        cosine_NC = one.images_ND[rows].float().cpu() @ one.prototypes_CD.T
        parts.append((cosine_NC.double(), one.class_N[rows].cpu()))

    def loss(log_temperature: float) -> float:
        scale = float(np.exp(-log_temperature))
        sums: FloatArray = np.array(
            [
                float(torch.nn.functional.cross_entropy(cosine_NC * scale, class_N, reduction="sum"))
                for cosine_NC, class_N in parts
            ]
        )
        return float(sums.sum())

    found = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))
