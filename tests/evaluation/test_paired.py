import numpy as np
import pytest

from clipbio.evaluation.metrics import bootstrap_interval, macro_mean
from clipbio.evaluation.paired import accuracy, compare


def test_micro_and_macro_means_of_a_hand_made_table():
    values = np.array([1, 1, 1, 0, 0, 1])
    classes = np.array([5, 5, 5, 5, 9, 9])
    units = np.arange(6)
    assert accuracy(values, unit_N=units).value == pytest.approx(4 / 6)
    macro = accuracy(values, class_N=classes)
    assert macro.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert macro.n == 2
    assert accuracy(values, unit_N=units).n == 6


def test_without_shared_units_the_interval_is_the_usual_bootstrap_interval():
    values = (np.random.default_rng(0).random(400) < 0.7).astype(float)
    ours = accuracy(values, unit_N=np.arange(400), resamples=4000).interval
    usual = bootstrap_interval(values, seed=1, resamples=4000)
    assert ours == pytest.approx(usual, abs=0.01)


def test_copies_of_a_barcode_do_not_make_an_interval_narrower():
    values = (np.random.default_rng(0).random(100) < 0.7).astype(float)
    once = accuracy(values, unit_N=np.arange(100), resamples=4000).interval
    copies = np.repeat(values, 20)
    together = accuracy(copies, unit_N=np.repeat(np.arange(100), 20), resamples=4000).interval
    apart = accuracy(copies, unit_N=np.arange(2000), resamples=4000).interval
    assert together == pytest.approx(once, abs=0.01)
    assert apart.high - apart.low < (once.high - once.low) / 3


def test_the_macro_interval_covers_what_sampling_other_classes_gives():
    def world(generator):
        rate = generator.beta(2, 1, size=40)
        classes = np.repeat(np.arange(40), 25)
        return (generator.random(1000) < rate[classes]).astype(float), classes

    generator = np.random.default_rng(3)
    spread = np.std([macro_mean(*world(generator)) for _ in range(2000)])
    widths = []
    for _ in range(20):
        values, classes = world(generator)
        found = accuracy(values, class_N=classes, resamples=1000).interval
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_a_paired_difference_is_narrower_than_two_intervals_and_equal_answers_have_none():
    generator = np.random.default_rng(1)
    target = generator.integers(0, 60, 500)
    first = np.where(generator.random(500) < 0.8, target, -1)
    second = np.where(generator.random(500) < 0.1, -1, first)
    for macro in (False, True):
        gain = compare(first, second, target, macro=macro)
        assert gain.interval.low > 0
        class_N = target if macro else None
        alone = accuracy(first == target, class_N=class_N).interval
        assert gain.interval.high - gain.interval.low < alone.high - alone.low
        same = compare(first, first, target, macro=macro)
        assert (same.value, *same.interval) == (0, 0, 0)
    assert compare(second, first, target).value == -compare(first, second, target).value
    micro = (first == target).mean() - (second == target).mean()
    assert compare(first, second, target).value == pytest.approx(micro)
    apart = macro_mean(first == target, target) - macro_mean(second == target, target)
    assert compare(first, second, target, macro=True).value == pytest.approx(apart)


def test_answers_to_other_queries_and_no_queries_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        compare(np.zeros(3), np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="no queries"):
        accuracy(np.zeros(0), unit_N=np.zeros(0, np.int64))


def test_no_resamples_no_interval():
    assert accuracy(np.ones(3), unit_N=np.arange(3), resamples=0).interval is None
