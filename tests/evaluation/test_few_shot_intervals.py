"""Intervals of few-shot accuracies cover as often as they say, where the draw of the examples matters."""

import numpy as np
import pytest

from clipbio.evaluation.few_shot_intervals import macro_interval, mean_interval


def world(generator, *, folds=8, specimens=120, species=12, draw=0.15):
    """Return right answers whose chance depends on the fold, and on fold and species together."""
    class_N = np.arange(specimens) % species
    level_F = 0.5 + draw * generator.uniform(-1, 1, folds)
    right_FN = generator.random((folds, specimens)) < level_F[:, None]
    asked_FN = np.ones((folds, specimens), bool)
    asked_FN[np.arange(folds), generator.integers(0, specimens, folds)] = False
    return right_FN & asked_FN, asked_FN, class_N


@pytest.mark.parametrize("unit", ["specimen", "species", "macro"])
def test_19_of_20_intervals_hold_the_truth(unit):
    held = 0
    for number in range(150):
        right_FN, asked_FN, class_N = world(np.random.default_rng(number))
        if unit == "macro":
            low, high = macro_interval(right_FN, asked_FN, class_N, seed=number, resamples=300)
        else:
            unit_N = class_N if unit == "species" else None
            low, high = mean_interval(right_FN, asked_FN, unit_N, seed=number, resamples=300)
        held += low <= 0.5 <= high
    # Few folds make a bootstrap narrow: eight hold the truth in some nine of ten cases.
    assert 0.86 <= held / 150 <= 1.0


def test_an_interval_for_one_draw_would_be_far_too_narrow():
    right_FN, asked_FN, _ = world(np.random.default_rng(0), draw=0.4)
    low, high = mean_interval(right_FN, asked_FN, None, seed=0, resamples=500)
    one_low, one_high = mean_interval(right_FN[:1], asked_FN[:1], None, seed=0, resamples=500)
    assert high - low > 0.5 * (one_high - one_low)
    means = right_FN.sum(axis=1) / asked_FN.sum(axis=1)
    assert low < means.mean() < high
    assert high - low > 2 * means.std() / np.sqrt(len(means))


def test_what_is_always_right_has_no_width():
    asked_FN = np.ones((3, 10), bool)
    asked_FN[0, 0] = False
    assert mean_interval(asked_FN, asked_FN, None, seed=0, resamples=50) == (1.0, 1.0)
    assert macro_interval(asked_FN, asked_FN, np.arange(10) % 2, seed=0, resamples=50) == (1.0, 1.0)
