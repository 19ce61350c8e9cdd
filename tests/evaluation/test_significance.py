import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from clipbio.evaluation.significance import holm, is_binary, mcnemar, sign_flip


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (8, 2), (30, 11), (200, 260)])
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(only_first, only_second):
    both = [1] * 5 + [0] * 7
    first = np.array([1] * only_first + [0] * only_second + both, float)
    second = np.array([0] * only_first + [1] * only_second + both, float)
    wanted = binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
    assert mcnemar(first, second) == pytest.approx(wanted)
    assert mcnemar(second, first) == pytest.approx(wanted)
    # The sign flips of right and wrong answers are the same test.
    assert sign_flip(first - second, resamples=40000) == pytest.approx(wanted, abs=0.01)


def test_mcnemar_refuses_scores():
    assert not is_binary(np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="scores"):
        mcnemar(np.array([0.5, 1.0]), np.array([1.0, 1.0]))


def test_few_differences_take_every_sign():
    gain = np.array([0.3, -0.1, 0.4, 0.0, 0.25])
    sums = [abs(np.dot(signs, gain)) for signs in itertools.product((1, -1), repeat=5)]
    assert sign_flip(gain) == pytest.approx(np.mean(np.array(sums) >= abs(gain.sum()) - 1e-12))
    assert sign_flip(np.zeros(4)) == 1


def test_many_differences_agree_with_scipy():
    generator = np.random.default_rng(0)
    first, second = generator.random(60) + 0.08, generator.random(60)
    found = permutation_test(
        (first, second), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=20000, rng=generator,
    )  # fmt: skip
    assert sign_flip(first - second, resamples=20000) == pytest.approx(found.pvalue, abs=0.015)


@pytest.mark.parametrize("count", [20, 100])
def test_certain_differences_are_not_held_up_by_the_number_of_signs(count):
    p = sign_flip(np.ones(count), resamples=1000)
    assert 2 * 0.5**count <= p <= 1e-4


def test_species_turn_as_a_whole():
    # 100 pictures of 4 species, all of three species better: over pictures certain, over species as 2 in 16 at best.
    gain = np.array([1.0] * 75 + [0.0] * 25)
    unit = np.repeat(np.arange(4), 25)
    assert sign_flip(gain) < 0.001
    assert sign_flip(gain, unit_N=unit) == pytest.approx(2 / 8)


def test_holm_by_hand():
    # 0.01 * 4, 0.02 * 3, max(0.06, 0.03 * 2), max(0.06, 0.04).
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
