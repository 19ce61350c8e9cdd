import math

import pytest
import torch
from key_worlds import animal, random_splits

from clipbio.evaluation.hierarchy import BackOffCurve, Judged, back_off, back_off_curve, consistent, distance
from clipbio.evaluation.pools import side_of
from clipbio.evaluation.taxon_tree import NOT_IN_TREE, UNKNOWN, TaxonTree
from clipbio.evaluation.tree_answers import answer

A, B = animal("F", "G", "a"), animal("F", "G", "b")
C, D = animal("F", "H", "c"), animal("E", "K", "d")
TREE = TaxonTree.from_lineages(torch.tensor([one.rank_keys for one in (A, B, C, D)]))


def nodes(*taxa):
    return TREE.nodes(torch.tensor([one.rank_keys for one in taxa]))


def test_the_height_of_the_lowest_common_ancestor():
    other = animal("F", "G", "other")
    truth = nodes(A, A, A, A, animal("F", "G"), animal("F"), other, animal())
    answers = nodes(A, B, C, D, B, D, B, D)
    assert distance(answers, truth).tolist() == [0, 1, 2, 3, 0, 1, 1, 0]
    nothing = torch.full((1, 7), -1)
    assert distance(nothing, nodes(A)).tolist() == [7]
    assert distance(nothing, torch.full((1, 7), UNKNOWN)).tolist() == [0]
    # A truth without any key is as far as its deepest taxon that has one.
    foreign = nodes(A).masked_fill(torch.arange(7) >= 5, NOT_IN_TREE)
    assert distance(nodes(C), foreign).tolist() == [2]


def test_an_answer_is_consistent_if_it_lies_on_one_path():
    mixed = nodes(A, A, A)
    mixed[1, 6] = nodes(C)[0, 6]  # a species of another genus
    mixed[2, 5] = -1  # a gap contradicts nothing
    assert consistent(mixed, TREE).tolist() == [True, False, True]
    assert consistent(torch.full((1, 7), -1), TREE).tolist() == [True]


CONFIDENCE = torch.tensor([[1, 1, 1, 1, 0.9, 0.6, 0.4]])


@pytest.mark.parametrize(
    ("truth", "threshold", "depth", "right"),
    [
        (A, 0.0, 7, True),
        (B, 0.0, 7, False),
        (B, 0.4, 7, False),  # a confidence equal to the threshold is enough
        (B, 0.5, 6, True),
        (C, 0.5, 6, False),
        (C, 0.7, 5, True),
        (D, 0.7, 5, False),
        (D, 0.95, 4, True),
        (D, math.inf, 0, True),
        (animal("F", "G"), 0.0, 6, True),  # below the truth's genus nobody can judge
        (animal("E"), 0.0, 5, False),
    ],
)
def test_backing_off(truth, threshold, depth, right):
    cut = back_off(Judged.of(nodes(A), CONFIDENCE, nodes(truth)), threshold)
    assert (cut.depth_Q.tolist(), cut.right_Q.tolist()) == ([depth], [right])


def test_the_curve_is_that_of_a_loop_and_its_choice_the_deepest_that_is_right_enough():
    data = random_splits(3, {"train": (150, range(20)), "val": (80, range(24))}, noise=0.9)
    pool, query = side_of(data, ["train"], "image"), side_of(data, ["val"], "image")
    tree = TaxonTree.from_lineages(pool.taxon_NR)
    found = answer(query, pool, tree, temperature=0.05, votes="keys")
    truth = tree.nodes(query.taxon_NR)
    curve = back_off_curve(Judged.of(found.path_QR, found.confidence_QR, truth), steps=40)
    for threshold, mean_depth, share in zip(*curve):
        depths, rights = [], []
        for path, confidence, true in zip(found.path_QR.tolist(), found.confidence_QR.tolist(), truth.tolist()):
            depth = 0
            while depth < 7 and confidence[depth] >= threshold:
                depth += 1
            depths.append(depth)
            rights.append(path[:depth] == true[:depth])
        assert float(mean_depth) == pytest.approx(sum(depths) / len(depths))
        assert float(share) == pytest.approx(sum(rights) / len(rights))
    assert curve.threshold_C[0] == 0
    assert (float(curve.depth_C[-1]), float(curve.right_C[-1])) == (0, 1)
    chosen = curve.choose(0.9)
    enough = curve.right_C >= 0.9
    assert 0 < chosen < math.inf
    assert float(curve.depth_C[curve.threshold_C == chosen]) == float(curve.depth_C[enough].max())


def test_of_equally_deep_thresholds_the_strictest_is_chosen():
    curve = BackOffCurve(
        torch.tensor([0.0, 0.3, 0.5, math.inf]), torch.tensor([7.0, 5, 5, 0]), torch.tensor([0.5, 0.9, 0.95, 1])
    )
    assert curve.choose(0.9) == pytest.approx(0.5)
    assert curve.choose(0.99) == math.inf
    assert curve.choose(0.1) == 0


def test_no_answers_have_a_curve_of_two_points():
    empty = Judged.of(torch.full((2, 7), -1), torch.zeros(2, 7), nodes(A, B))
    curve = back_off_curve(empty)
    assert curve.depth_C.tolist() == [0, 0]
    assert curve.right_C.tolist() == [1, 1]
