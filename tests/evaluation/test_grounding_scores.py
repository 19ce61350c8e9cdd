"""Maps against masks: figures of pictures made by hand, and by explicit loops."""

import numpy as np
import pytest

from clipbio.evaluation.grounding_scores import (
    MEASURES,
    centre_map,
    mass_inside,
    measured,
    pixel_precision,
    pointing,
    soft_iou,
)

MASK = np.array([[1, 1, 0], [0, 0, 0]], bool)


def test_pointing_counts_the_share_of_equally_hot_pixels():
    assert pointing(np.array([[0.2, 0.9, 0.1], [0, 0, 0.3]]), MASK) == 1
    assert pointing(np.array([[0.2, 0.1, 0.1], [0, 0, 0.3]]), MASK) == 0
    assert pointing(np.array([[0.9, 0.1, 0.9], [0, 0.9, 0.9]]), MASK) == 0.25


def test_a_flat_map_reaches_the_area_of_the_mask():
    for name, value in measured(np.ones((2, 3)), MASK).items():
        assert value == pytest.approx(1 / 3), name


def test_a_perfect_map_reaches_one_and_its_opposite_nothing():
    assert set(measured(MASK.astype(float), MASK).values()) == {1.0}
    opposite = measured(1.0 - MASK, MASK)
    assert [opposite[name] for name in MEASURES[:3]] == [0, 0, 0]


def test_an_empty_map_gives_nothing():
    assert soft_iou(np.zeros((2, 3)), np.zeros((2, 3), bool)) == 0
    assert mass_inside(np.zeros((2, 3)), MASK) == 0
    assert pixel_precision(np.ones((2, 3)), np.zeros((2, 3), bool)) == 0


def test_precision_equals_loops_over_thresholds():
    random = np.random.default_rng(0)
    for _ in range(20):
        map_, mask = random.integers(0, 6, (5, 7)) / 5, random.random((5, 7)) < 0.3
        mask[0, 0] = True
        total, before = 0.0, 0
        for threshold in sorted(set(map_.ravel()), reverse=True):
            kept = map_ >= threshold
            hits = int((kept & mask).sum())
            total += (hits - before) / mask.sum() * hits / kept.sum()
            before = hits
        assert pixel_precision(map_, mask) == pytest.approx(total)


def test_soft_iou_and_mass_by_hand():
    map_ = np.array([[0.5, 0.5, 0.5], [0, 0, 0.5]])
    assert soft_iou(map_, MASK) == pytest.approx(1.0 / 3.0)
    assert mass_inside(map_, MASK) == pytest.approx(0.5)


def test_the_centre_is_hottest_in_the_middle():
    bell = centre_map((9, 5))
    assert np.unravel_index(bell.argmax(), bell.shape) == (4, 2)
    assert bell[4, 2] == 1
    assert bell == pytest.approx(bell[::-1, ::-1])
