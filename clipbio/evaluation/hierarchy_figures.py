"""Figures of answers at every rank: accuracy, how far off errors are, consistency, calibration, frequency.

Shape suffixes: N specimens, R ranks, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.calibration import Reliability, reliability
from clipbio.evaluation.hierarchy import Judged, back_off, consistent, distance
from clipbio.evaluation.ledger import Ledger
from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.rank_answers import ClassTree, RankAnswers
from clipbio.evaluation.taxon_tree import deepest
from clipbio.taxonomy import RANKS

__all__ = [
    "FREQUENCIES",
    "accuracy_figures",
    "back_off_figures",
    "calibration_figures",
    "error_figures",
    "frequency_figures",
    "height_shares",
]

TASK, CALIBRATION, FREQUENCY = "hierarchy", "hierarchy_calibration", "hierarchy_frequency"
FREQUENCIES = ("many", "medium", "few", "none")
_LEAST = 1e-12


def accuracy_figures(ledger: Ledger, classes: ClassTree, answers: RankAnswers, ranks: Sequence[str]) -> None:
    """Note the accuracy at each rank, micro and macro, of classes rolled up and of taxa by their own text."""
    truth_NR = classes.node_CR[torch.from_numpy(ledger.class_N)]
    for rank in ranks:
        place = RANKS.index(rank)
        row_M = np.flatnonzero((truth_NR[:, place] >= 0).numpy())
        taxon_M = truth_NR[row_M, place].numpy()
        sharing = classes.sharing_CR[ledger.class_N[row_M], place].numpy()
        taxa = int(classes.num_taxa_R[place])
        given = {"": answers.rolled_NR} | ({"text_": answers.text_NR} if place < len(RANKS) - 1 else {})
        for form, answer_NR in given.items():
            right_M = answer_NR[row_M, place].numpy() == taxon_M
            luck = 1 / taxa if form else float(sharing.mean()) if len(sharing) else None
            ledger.mean(TASK, rank, f"{form}top1", right_M, row_M=row_M, chance=luck)
            luck = 1 / taxa if form else _macro_chance(sharing, taxon_M)
            ledger.macro(TASK, rank, f"{form}macro_top1", right_M, taxon_M, chance=luck)
        ledger.note(TASK, rank, "taxa", taxa)


def _macro_chance(sharing_M: FloatArray, taxon_M: NDArray[np.int64]) -> float | None:
    """Return the mean over taxa of the share of classes that belong to each."""
    if not len(taxon_M):
        return None
    return float(sharing_M[np.unique(taxon_M, return_index=True)[1]].mean())


def _answered(classes: ClassTree, class_N: Tensor) -> Tensor:
    """Return the lineage of answered classes, -1 everywhere where there is no answer."""
    return classes.node_CR[class_N.clamp(min=0)].masked_fill(class_N[:, None] < 0, -1)


def error_figures(ledger: Ledger, classes: ClassTree, answers: RankAnswers, ranks: Sequence[str]) -> None:
    """Note how far off the answered classes are, and whether the ways to an answer agree with each other."""
    truth_N = torch.from_numpy(ledger.class_N)
    truth_NR, answer_NR = classes.node_CR[truth_N], _answered(classes, answers.class_N)
    far_N = distance(answer_NR, truth_NR).double().numpy()
    wrong_N = np.flatnonzero((answers.class_N != truth_N).numpy())
    lucky_N = _random_distance(classes)[ledger.class_N]
    # A wrong class at random: the right one, whose distance is 0, is not drawn.
    others = len(classes.candidates) / max(1, len(classes.candidates) - 1)
    ledger.mean(TASK, "all", "top1", (answers.class_N == truth_N).numpy(), chance=1 / len(classes.candidates))
    ledger.mean(TASK, "all", "distance", far_N, chance=float(lucky_N.mean()))
    if len(wrong_N):
        luck = float(lucky_N[wrong_N].mean()) * others
        ledger.mean(TASK, "all", "distance_wrong", far_N[wrong_N], row_M=wrong_N, chance=luck, keep=False)
    for rank in ranks[:-1]:
        place = RANKS.index(rank)
        rows = wrong_N[(truth_NR[wrong_N, place] >= 0).numpy()]
        if len(rows):
            inside = (answer_NR[rows, place] == truth_NR[rows, place]).numpy()
            share = classes.sharing_CR[ledger.class_N[rows], place].numpy()
            luck = float(np.clip(share * others - (others - 1), 0, 1).mean())
            ledger.mean(TASK, "all", f"wrong_in_{rank}", inside, row_M=rows, chance=luck, keep=False)
    _consistency(ledger, classes, answers)


def _consistency(ledger: Ledger, classes: ClassTree, answers: RankAnswers) -> None:
    """Note whether ranks agree, and whether going down the tree leads to the class that is answered at once."""
    flat_N = torch.where(answers.class_N >= 0, classes.node_C[answers.class_N.clamp(min=0)], -1)
    truth_N = classes.node_C[torch.from_numpy(ledger.class_N)]
    ways = (("", answers.rolled_NR, answers.path_NR), ("text_", answers.text_NR, answers.text_path_NR))
    for form, each_NR, path_NR in ways:
        reached_N = deepest(path_NR)
        ledger.mean(TASK, "all", f"{form}consistent", consistent(each_NR, classes.tree).numpy())
        ledger.mean(TASK, "all", f"{form}top_down_agrees", (reached_N == flat_N).numpy())
        luck = 1 / len(classes.candidates)
        ledger.mean(TASK, "all", f"{form}top_down_top1", (reached_N == truth_N).numpy(), chance=luck)


def _random_distance(classes: ClassTree) -> FloatArray:
    """Return for each class the expected distance of a class drawn at random."""
    depth_C = (classes.node_CR >= 0).long() * torch.arange(1, len(RANKS) + 1)
    lucky_C: FloatArray = (depth_C.amax(dim=1).double() - classes.sharing_CR.sum(dim=1)).numpy()
    return lucky_C


def height_shares(ledger: Ledger, classes: ClassTree, answers: RankAnswers) -> tuple[FloatArray, FloatArray]:
    """Return the share of answers at each distance from 0 to all ranks, and the same for a class drawn at random."""
    truth_NR = classes.node_CR[torch.from_numpy(ledger.class_N)]
    far_N = distance(_answered(classes, answers.class_N), truth_NR).numpy()
    found = np.bincount(far_N, minlength=len(RANKS) + 1) / max(1, len(far_N))
    # Agreeing at a rank or deeper, from none at all to the species.
    agree_NR = classes.sharing_CR[torch.from_numpy(ledger.class_N)].numpy()
    edges = np.concatenate([np.ones((len(agree_NR), 1)), agree_NR, np.zeros((len(agree_NR), 1))], axis=1)
    depth_N = ((truth_NR >= 0).long() * torch.arange(1, len(RANKS) + 1)).amax(dim=1).numpy()
    lucky = np.zeros(len(RANKS) + 1)
    for depth in range(len(RANKS) + 1):
        share_N = edges[:, depth] - edges[:, depth + 1]
        np.add.at(lucky, np.maximum(depth_N - depth, 0), share_N / max(1, len(depth_N)))
    return found, lucky


def calibration_figures(
    ledger: Ledger, classes: ClassTree, answers: RankAnswers, ranks: Sequence[str], *, bins: int
) -> dict[str, Reliability]:
    """Note calibration errors, Brier score and log likelihood at each rank, and return the bins of equal width.

    The Brier score is the sum over the taxa of a rank of the squared gaps between their shares and the truth (Brier
    1950), between 0 and 2; the likelihood is that of the true taxon.
    """
    truth_NR = classes.node_CR[torch.from_numpy(ledger.class_N)]
    found = {}
    for rank in ranks:
        place = RANKS.index(rank)
        row_M = np.flatnonzero((truth_NR[:, place] >= 0).numpy())
        if not len(row_M):
            continue
        confidence, true, square = (
            one[row_M, place].numpy() for one in (answers.confidence_NR, answers.true_NR, answers.square_NR)
        )
        right = (answers.rolled_NR[row_M, place] == truth_NR[row_M, place]).numpy()
        found[rank] = reliability(confidence, right, bins=bins)
        masses = reliability(confidence, right, bins=bins, equal_mass=True)
        ledger.note(CALIBRATION, rank, "ece", found[rank].error, n=len(row_M))
        ledger.note(CALIBRATION, rank, "ece_equal_mass", masses.error, n=len(row_M))
        ledger.note(CALIBRATION, rank, "confidence", float(confidence.mean()), n=len(row_M))
        ledger.mean(CALIBRATION, rank, "brier", square - 2 * true + 1, row_M=row_M)
        ledger.mean(CALIBRATION, rank, "nll", -np.log(np.maximum(true, _LEAST)), row_M=row_M)
    return found


def back_off_figures(
    ledger: Ledger, classes: ClassTree, answers: RankAnswers, ranks: Sequence[str], *, confidence: float
) -> None:
    """Note how deep answers go that stop at the deepest rank with enough confidence, and how often they are right."""
    truth_NR = classes.node_CR[torch.from_numpy(ledger.class_N)]
    cut = back_off(Judged.of(answers.path_NR, answers.path_confidence_NR, truth_NR), confidence)
    ledger.mean(TASK, "back_off", "right", cut.right_Q.numpy())
    ledger.mean(TASK, "back_off", "depth", cut.depth_Q.numpy())
    for rank in ranks:
        row_M = np.flatnonzero((truth_NR[:, RANKS.index(rank)] >= 0).numpy())
        answered = (cut.depth_Q[row_M] > RANKS.index(rank)).numpy()
        ledger.mean(TASK, "back_off", f"{rank}/answered", answered, row_M=row_M, keep=False)


def frequency_figures(ledger: Ledger, answers: RankAnswers, count_C: NDArray[np.int64], *, many: int, few: int) -> None:
    """Note the accuracy of classes with more than `many` images in training, fewer than `few`, between, and none."""
    right_N = answers.class_N.numpy() == ledger.class_N
    group_C = np.select([count_C == 0, count_C < few, count_C > many], [3, 2, 0], default=1)
    for number, name in enumerate(FREQUENCIES):
        rows = np.flatnonzero(group_C[ledger.class_N] == number)
        luck = 1 / max(1, len(count_C))
        ledger.mean(FREQUENCY, name, "top1", right_N[rows], row_M=rows, chance=luck, keep=False)
        ledger.macro(FREQUENCY, name, "macro_top1", right_N[rows], ledger.class_N[rows], chance=luck)
        if len(rows):
            ledger.note(FREQUENCY, name, "classes", int((group_C == number).sum()))
