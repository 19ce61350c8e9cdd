"""From vectors of pictures to rows of answers.

Shape suffixes: n pictures of a block, N pictures, C classes, D dimensions, G groups, M taxa of a tree, R ranks, K
answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.taxon_tree import TaxonTree, deepest
from clipbio.evaluation.top_k import first_best
from clipbio.prediction.classes import Classes
from clipbio.prediction.groups import Groups
from clipbio.taxonomy import RANKS

__all__ = ["COLUMNS", "Asked", "answers"]

COLUMNS = ("picture", "place", "probability", "rank", "name", "common_name", "label", *RANKS)
"""Columns of an answer. `rank` and `name` are what is answered; the ranks above it follow."""

# 128 MiB of float32 for each of the two or three matrices of pictures by classes.
_PROBABILITIES_AT_ONCE = 1 << 25
_PICTURES_AT_ONCE = 1024

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is answered about a picture.

    Args:
        classes: What it may be.
        groups: What is answered with: classes, taxa of a rank, or bins.
        k: Answers per picture, the most probable first.
        confidence: Instead, one answer: the deepest taxon on the way down from the root, by the best child each time,
            that is at least so probable; None for `k` answers.
        scale: Inverse temperature of the softmax over the classes.
    """

    classes: Classes
    groups: Groups
    k: int = 5
    confidence: float | None = None
    scale: float = 100.0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ClipbioError(f"k={self.k} asks for no answer; give 1 or more")
        if self.confidence is None:
            return
        if not 0 < self.confidence <= 1:
            raise ClipbioError(f"confidence={self.confidence} is a probability: give more than 0, at most 1")
        if not self.groups.is_identity:
            raise ClipbioError("confidence= chooses the rank by itself: leave rank= and bins= out")
        if not bool((self.classes.taxon_CR >= 0).any()):
            raise ClipbioError("confidence= needs labels with ranks, and these have none: leave it out")

    @cached_property
    def tree(self) -> TaxonTree:
        """Return the tree of the classes."""
        return TaxonTree.from_lineages(self.classes.taxon_CR)

    @cached_property
    def node_C(self) -> Tensor:
        """Return the deepest taxon of each class in the tree, -1 for one without any."""
        return deepest(self.tree.nodes(self.classes.taxon_CR))

    @cached_property
    def first_M(self) -> Tensor:
        """Return the first class that lies at or below each taxon."""
        node_CR = self.tree.nodes(self.classes.taxon_CR)
        row_C = torch.arange(len(node_CR))
        first_M = torch.full((len(self.tree),), len(node_CR))
        for node_C in node_CR.unbind(dim=1):
            known = node_C >= 0
            first_M.scatter_reduce_(0, node_C[known], row_C[known], "amin")
        return first_M


def answers(asked: Asked, pictures: Sequence[str], images_ND: Tensor) -> Iterator[Row]:
    """Yield the answers for each picture in its order, as rows of `COLUMNS`.

    Args:
        asked: What is asked.
        pictures: What the pictures are called.
        images_ND: Their unit vectors, on the device of the classes.
    """
    rows = max(1, min(_PICTURES_AT_ONCE, _PROBABILITIES_AT_ONCE // len(asked.classes)))
    for start in range(0, len(pictures), rows):
        block = slice(start, start + rows)
        probability_nC = asked.classes.probabilities(images_ND[block], asked.scale)
        if asked.confidence is None:
            yield from _best(asked, pictures[block], probability_nC)
        else:
            yield from _deepest(asked, pictures[block], probability_nC.cpu(), asked.confidence)


def _best(asked: Asked, pictures: Sequence[str], probability_nC: Tensor) -> Iterator[Row]:
    sums_nG = asked.groups.sums(probability_nC)
    best_nK, group_nK = first_best(sums_nG, asked.k)
    for picture, bests, chosen in zip(pictures, best_nK.tolist(), group_nK.tolist(), strict=True):
        for place, (probability, group) in enumerate(zip(bests, chosen, strict=True), start=1):
            yield {"picture": picture, "place": place, "probability": probability, **_named(asked, group)}


def _named(asked: Asked, group: int) -> Row:
    if asked.groups.names_G:
        return _row("", asked.groups.names_G[group])
    return _taxon(asked.classes, int(asked.groups.first_G[group]), asked.groups.rank)


def _deepest(asked: Asked, pictures: Sequence[str], probability_nC: Tensor, confidence: float) -> Iterator[Row]:
    tree = asked.tree
    own_nM = torch.zeros(len(probability_nC), len(tree))
    known = asked.node_C >= 0
    own_nM.index_add_(1, asked.node_C[known], probability_nC[:, known])
    sums_nM = tree.sum_up(own_nM)
    # Down to a child only where it is sure enough: sums never grow on the way.
    node_n = tree.descend(sums_nM.masked_fill(sums_nM < confidence, 0))
    for row, (picture, node) in enumerate(zip(pictures, node_n.tolist(), strict=True)):
        if node < 0:
            yield {"picture": picture, "place": 1, "probability": 1.0, **_row("root", "")}
            continue
        named = _taxon(asked.classes, int(asked.first_M[node]), RANKS[int(tree.rank_M[node])])
        yield {"picture": picture, "place": 1, "probability": float(sums_nM[row, node]), **named}


def _taxon(classes: Classes, row: int, rank: str) -> Row:
    """Return the names of a class, or of the taxon above it at a rank."""
    names = classes.names(row)
    if not rank or rank == "species":
        told = rank or (names.taxon.deepest or ("",))[0]
        own = names.own if not rank else names.taxon.scientific_name
        return _row(told, own, names.common_name, names.label, names.taxon.ranks)
    depth = RANKS.index(rank)
    above = tuple(name if place <= depth else "" for place, name in enumerate(names.taxon.ranks))
    return _row(rank, above[depth], ranks=above)


def _row(
    rank: str, name: str, common_name: str = "", label: str = "", ranks: Sequence[str] = ("",) * len(RANKS)
) -> Row:
    values = {"rank": rank, "name": name, "common_name": common_name, "label": label}
    return values | dict(zip(RANKS, ranks, strict=True))
