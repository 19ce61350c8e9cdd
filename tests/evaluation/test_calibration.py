import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from clipbio.evaluation.calibration import reliability


def test_a_table_made_by_hand():
    found = reliability(np.array([0.0, 0.15, 0.2, 0.9, 1.0]), np.array([0, 0, 1, 1, 0]), bins=5)
    # A bin holds its upper bound: 0.2 stands with 0 and 0.15.
    assert found.count_B.tolist() == [3, 2]
    assert found.confidence_B == pytest.approx([0.35 / 3, 0.95])
    assert found.right_B == pytest.approx([1 / 3, 0.5])
    assert found.error == pytest.approx((3 * (1 / 3 - 0.35 / 3) + 2 * 0.45) / 5)


@pytest.mark.parametrize(("equal_mass", "strategy"), [(False, "uniform"), (True, "quantile")])
def test_bins_are_those_of_scikit_learn(equal_mass, strategy):
    generator = np.random.default_rng(3)
    confidence = generator.uniform(0.01, 0.99, 300)
    right = generator.uniform(size=300) < confidence**2
    found = reliability(confidence, right, bins=15, equal_mass=equal_mass)
    share, mean = calibration_curve(right, confidence, n_bins=15, strategy=strategy)
    assert found.right_B == pytest.approx(share)
    assert found.confidence_B == pytest.approx(mean)


def test_a_calibrated_model_has_a_small_error_and_a_cold_one_a_large_one():
    generator = np.random.default_rng(1)
    confidence = generator.uniform(size=20_000)
    right = generator.uniform(size=20_000) < confidence
    assert reliability(confidence, right).error < 0.02
    assert reliability(np.ones(20_000), right).error == pytest.approx(1 - right.mean())
    assert reliability(np.zeros(0), np.zeros(0, bool)).error == 0
