"""How right an answer is that names one taxon per rank: accuracy, consistency, distance, and depth when it backs off.

Nodes are numbers of a `TaxonTree`: an answer is -1 where nothing is said, a truth UNKNOWN where there is no label and
NOT_IN_TREE where no key has it.

Shape suffixes: Q queries, R ranks, C thresholds.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from clipbio.evaluation.taxon_tree import UNKNOWN, TaxonTree, deepest

__all__ = ["BackOff", "BackOffCurve", "Judged", "back_off", "back_off_curve", "consistent", "distance"]


def consistent(answer_QR: Tensor, tree: TaxonTree) -> Tensor:
    """Tell which answers lie on one path: what is said above agrees with the lineage of the deepest taxon named."""
    node_Q = deepest(answer_QR)
    lineage_QR = tree.lineage_MR[node_Q.clamp(min=0)]
    agrees_QR = (answer_QR < 0) | (lineage_QR < 0) | (answer_QR == lineage_QR)
    return agrees_QR.all(dim=1) | (node_Q < 0)


def distance(answer_QR: Tensor, truth_QR: Tensor) -> Tensor:
    """Return how many ranks lie between the truth and the deepest rank at which answer and truth agree.

    That is the height of the lowest common ancestor, seen from the deepest known rank of the truth: 0 is right, 1 a
    wrong species of the right genus, one more than all ranks if nothing agrees. Queries without any label have 0.
    """
    depth_Q = _depth(truth_QR != UNKNOWN)
    return depth_Q - _depth((answer_QR == truth_QR) & (truth_QR >= 0))


def _depth(mask_QR: Tensor) -> Tensor:
    """Return the place of the deepest rank in a mask, counted from 1; 0 if it is empty."""
    place_R = torch.arange(1, mask_QR.shape[1] + 1)
    return (mask_QR * place_R).amax(dim=1)


class BackOff(NamedTuple):
    """Answers cut at a threshold: how deep they go (ranks, 0 is the root) and whether they are right."""

    depth_Q: Tensor
    right_Q: Tensor


class Judged(NamedTuple):
    """A path with its confidences, and what is needed to judge it at any depth."""

    confidence_QR: Tensor
    answered_QR: Tensor
    first_wrong_Q: Tensor
    truth_depth_Q: Tensor

    @classmethod
    def of(cls, path_QR: Tensor, confidence_QR: Tensor, truth_QR: Tensor) -> Judged:
        """Compare a path with the truth; ranks at which either is not known do not contradict."""
        wrong_QR = (path_QR >= 0) & (truth_QR != UNKNOWN) & (path_QR != truth_QR)
        place_R = torch.arange(1, path_QR.shape[1] + 1)
        first_wrong_Q = torch.where(wrong_QR, place_R, path_QR.shape[1] + 1).amin(dim=1)
        return cls(confidence_QR, path_QR >= 0, first_wrong_Q, _depth(truth_QR != UNKNOWN))


def back_off(judged: Judged, threshold: float) -> BackOff:
    """Cut each path at the deepest rank whose confidence is at least the threshold.

    Below the deepest known rank of the truth nobody can judge, so there every answer is cut. The root is always right.
    """
    depth_Q = _depth(judged.answered_QR & (judged.confidence_QR >= threshold))
    depth_Q = torch.minimum(depth_Q, judged.truth_depth_Q)
    return BackOff(depth_Q, depth_Q < judged.first_wrong_Q)


class BackOffCurve(NamedTuple):
    """Mean depth and share of right answers at each threshold, from the loosest to the strictest."""

    threshold_C: Tensor
    depth_C: Tensor
    right_C: Tensor

    def choose(self, accuracy: float) -> float:
        """Return the threshold that goes deepest among those at which the share `accuracy` is right.

        So are accuracy and specificity traded by Deng et al. (2012). Of equally deep thresholds the strictest. The
        last threshold answers with the root, so one always is accurate enough.
        """
        depth_C = self.depth_C.masked_fill(self.right_C < accuracy - 1e-9, -1)
        return float(self.threshold_C[len(depth_C) - 1 - int(depth_C.flip(0).argmax())])


def back_off_curve(judged: Judged, *, steps: int = 200) -> BackOffCurve:
    """Return the curve over thresholds at quantiles of the confidences, with 0 and infinity at its ends."""
    found = judged.confidence_QR[judged.answered_QR].double()
    inner = torch.unique(found.sort().values[torch.linspace(0, len(found) - 1, steps).long()]) if len(found) else found
    threshold_C = torch.cat([torch.zeros(1), inner, torch.full((1,), torch.inf)]).double()
    cuts = [back_off(judged, float(threshold)) for threshold in threshold_C]
    return BackOffCurve(
        threshold_C,
        torch.stack([cut.depth_Q.double().mean() for cut in cuts]),
        torch.stack([cut.right_Q.double().mean() for cut in cuts]),
    )
