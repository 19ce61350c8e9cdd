"""Temperatures and biases: against scipy and scikit-learn, and where they shrink to."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import logsumexp

from clipbio.characters.calibration import Answered, Calibration, fit, fit_together, log_softmax


def known(count: int = 400, *, scale: float = 8.0, seed: int = 0, states: int = 3, several: bool = False) -> Answered:
    """Cosines and states that follow the model exactly; with `several` a third of the images have a second one."""
    random = np.random.default_rng(seed)
    cosine = random.normal(0.2, 0.15, (count, states))
    bias = np.log(np.linspace(0.6, 0.1, states))
    share = np.exp(scipy_log_softmax(scale * (cosine - cosine.mean(0)) + bias, axis=1))
    state = np.array([random.choice(states, p=row) for row in share])
    truth = np.eye(states, dtype=bool)[state]
    if several:
        truth[random.random(count) < 1 / 3, 0] = True
    prior = np.linspace(0.6, 0.1, states)
    return Answered(cosine, truth, prior / prior.sum(), cosine.mean(0))


def reference_loss(values: np.ndarray, one: Answered, log_scale: float, spreads: tuple[float, float]) -> float:
    log = scipy_log_softmax(np.exp(values[0]) * (one.cosine_NS - one.offset_S) + values[1:], axis=1)
    likelihood = logsumexp(np.where(one.truth_NS, log, -np.inf), axis=1).sum()
    away = ((values[0] - log_scale) / spreads[0]) ** 2 + (((values[1:] - np.log(one.prior_S)) / spreads[1]) ** 2).sum()
    return float(-likelihood + 0.5 * away)


@pytest.mark.parametrize("several", [False, True])
def test_the_fit_is_the_optimum_that_scipy_finds_without_gradients(several: bool) -> None:
    one = known(several=several)
    found = fit(one, log_scale=2.0, scale_spread=0.5, bias_spread=0.7)
    start = np.concatenate([[1.0], np.zeros(3)])
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-7, "fatol": 1e-9}
    best = minimize(reference_loss, start, (one, 2.0, (0.5, 0.7)), method="Nelder-Mead", options=options)
    assert_allclose(found.scale, np.exp(best.x[0]), rtol=1e-3)
    assert_allclose(found.bias_S, best.x[1:] - best.x[1:].mean(), atol=2e-3)


def test_of_two_states_without_shrinkage_it_is_scikit_learns_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    one = known(states=2)
    found = fit(one, log_scale=2.0, scale_spread=1e6, bias_spread=1e6)
    centred = one.cosine_NS - one.offset_S
    gap = (centred[:, 1] - centred[:, 0])[:, None]
    model = LogisticRegression(C=1e10, tol=1e-8).fit(gap, one.truth_NS[:, 1])
    shares = np.exp(found.log_probabilities(one.cosine_NS))[:, 1]
    assert_allclose(shares, model.predict_proba(gap)[:, 1], atol=2e-3)


def test_captions_that_tell_nothing_end_with_the_frequencies() -> None:
    one = known()
    nothing = one.take(np.zeros(len(one), bool))
    found = fit(nothing, log_scale=np.log(1e-6))
    assert_allclose(np.exp(found.log_probabilities(one.cosine_NS)), np.tile(one.prior_S, (len(one), 1)), atol=1e-5)


def test_few_images_shrink_to_the_common_scale_and_many_do_not() -> None:
    few = fit(known(3), log_scale=np.log(2.0))
    many = fit(known(20_000), log_scale=np.log(2.0))
    assert abs(np.log(few.scale) - np.log(2.0)) < 0.2
    assert_allclose(many.scale, 8.0, rtol=0.1)


def test_the_common_scale_is_the_geometric_mean() -> None:
    fitted, common = fit_together([known(2000, scale=4.0, seed=1), known(2000, scale=16.0, seed=2)])
    assert_allclose(common, np.exp(np.mean([np.log(one.scale) for one in fitted])))
    assert fitted[0].scale < common < fitted[1].scale


def test_evidence_is_the_gain_in_log_odds_over_no_image() -> None:
    calibration = Calibration(10.0, np.array([0.1, 0.2]), np.log([0.8, 0.2]))
    assert_allclose(calibration.evidence(np.array([[0.1, 0.2]])), [[0.0, 0.0]], atol=1e-9)
    # Two states: the evidence for one is the scaled gap of the centred cosines, whatever the bias.
    assert_allclose(calibration.evidence(np.array([[0.3, 0.2]])), [[2.0, -2.0]], atol=1e-9)


def test_probabilities_are_those_of_scipy() -> None:
    logits = np.random.default_rng(0).normal(0, 200, (5, 4))
    assert_allclose(log_softmax(logits), scipy_log_softmax(logits, axis=1))
    assert np.isfinite(Calibration(1.0, np.zeros(2), np.array([800.0, -800.0])).evidence(np.zeros((1, 2)))).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_calibration_brings_confidence_to_accuracy(seed: int) -> None:
    from clipbio.evaluation.calibration import reliability

    one, new = known(3000, seed=seed), known(3000, seed=seed + 10)
    log = fit(one, log_scale=2.0).log_probabilities(new.cosine_NS)
    right = np.take_along_axis(new.truth_NS, log.argmax(1)[:, None], 1)[:, 0]
    assert reliability(np.exp(log.max(1)), right).error < 0.04
