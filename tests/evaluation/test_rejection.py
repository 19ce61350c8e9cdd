import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from clipbio.evaluation.rejection import (
    best_threshold,
    count_scores,
    keeping_threshold,
    open_figures,
    open_intervals,
    rates,
)


def drawn(seed: int, known: int, unknown: int, levels: int):
    generator = np.random.default_rng(seed)
    scores = generator.normal(0.6, 0.5, known), generator.normal(0, 0.5, unknown)
    if levels:
        scores = tuple(np.round(one * levels) / levels for one in scores)
    return scores[0], generator.random(known) < 0.7, scores[1]


CASES = [(seed, known, unknown, levels) for seed, (known, unknown) in enumerate([(40, 30), (7, 90), (1, 1), (60, 2)])
         for levels in (0, 2, 10)]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_auroc_and_fpr95_are_those_of_scikit_learn(case):
    known, right, unknown = drawn(*case)
    figures = open_figures(count_scores(known, right, unknown))
    truth, score = np.repeat([1, 0], [len(known), len(unknown)]), np.concatenate([known, unknown])
    assert figures["auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    fpr, tpr, _ = roc_curve(truth, score, drop_intermediate=False)
    assert figures["fpr95"] == pytest.approx(fpr[np.argmax(tpr >= 0.95)], abs=1e-12)


def slow_oscr(known, right, unknown) -> float:
    """Walk over all thresholds as Dhamija et al. (2018) draw the curve and sum the trapezoids."""
    points = [(0.0, 0.0)]
    for threshold in sorted({*known, *unknown}, reverse=True):
        accepted = sum(1 for score, good in zip(known, right) if score >= threshold and good) / len(known)
        points.append((sum(score >= threshold for score in unknown) / len(unknown), accepted))
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))


@pytest.mark.parametrize("case", CASES)
def test_oscr_is_that_of_a_loop_over_thresholds(case):
    known, right, unknown = drawn(*case)
    assert open_figures(count_scores(known, right, unknown))["oscr"] == pytest.approx(
        slow_oscr(known, right, unknown), abs=1e-12
    )


def test_a_table_made_by_hand():
    known, right, unknown = np.array([0.9, 0.8, 0.5, 0.5]), np.array([True, False, True, True]), np.array([0.5, 0.1])
    counts = count_scores(known, right, unknown)
    assert counts.score_U.tolist() == [0.9, 0.8, 0.5, 0.1]
    assert [column.tolist() for column in rates(counts)] == [
        [0, 0.25, 0.5, 1, 1],
        [0, 0.25, 0.25, 0.75, 0.75],
        [0, 0, 0, 0.5, 1],
    ]
    # Pairs with 0.5: two above, two tied. With 0.1: four above. Of those that are right: one above and two tied; three.
    assert open_figures(counts) == {"auroc": (3 + 4) / 8, "oscr": (2 + 3) / 8, "fpr95": 0.5}
    # Rejecting what lies below 0.5: 3/4 right, 1/2 rejected. Below 0.9: 1/4 right, all rejected; so do equal sums.
    assert best_threshold(counts) == 0.9
    assert keeping_threshold(known, kept=0.95) == 0.5
    assert keeping_threshold(known, kept=0.5) == 0.8
    assert keeping_threshold(known, kept=0.25) == 0.9


def test_equal_scores_tell_nothing():
    counts = count_scores(np.ones(5), np.ones(5, dtype=bool), np.ones(4))
    assert open_figures(counts) == {"auroc": 0.5, "oscr": 0.5, "fpr95": 1.0}


def test_a_model_that_knows_nothing_rejects_everything():
    counts = count_scores(np.zeros(3), np.zeros(3, dtype=bool), np.ones(3))
    assert best_threshold(counts) == math.inf


@pytest.mark.parametrize("case", CASES[:6])
def test_the_best_threshold_is_that_of_a_loop(case):
    known, right, unknown = drawn(*case)

    def balanced(threshold: float) -> float:
        return (right & (known >= threshold)).mean() + (unknown < threshold).mean()

    best = max(balanced(one) for one in (math.inf, *known, *unknown))
    assert balanced(best_threshold(count_scores(known, right, unknown))) == pytest.approx(best)


def test_intervals_hold_the_value_and_shrink():
    few, many = (count_scores(*drawn(3, size, size, 10)) for size in (30, 3000))
    value = open_figures(many)
    narrow = open_intervals(many, seed=1, resamples=300)
    wide = open_intervals(few, seed=1, resamples=300)
    for name, (low, high) in narrow.items():
        assert low <= value[name] <= high
        assert high - low < wide[name].high - wide[name].low
    # The width of the AUROC's interval is that of Hanley and McNeil (1982).
    area, size = value["auroc"], 3000
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (size - 1) * (one - area**2 + two - area**2)) / size**2
    assert narrow["auroc"].high - narrow["auroc"].low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.25)
