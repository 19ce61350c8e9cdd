"""Figures and steps of a run beside those of its repetition."""

from __future__ import annotations

import pytest

from clipbio.provenance.repetition import DIFFERENT, EQUAL, MISSING, WITHIN, compare_figures, compare_history, counted

KEY = "zero_shot/test/common/top1"


def numbers(value: float, half: float = 0.1, n: int = 100, chance: float = 0.25) -> dict[str, float]:
    return {KEY: value, f"{KEY}/low": value - half, f"{KEY}/high": value + half, f"{KEY}/n": n, f"{KEY}/chance": chance}


@pytest.mark.parametrize(
    ("now", "share", "verdict"),
    [
        (numbers(0.5), None, EQUAL),
        (numbers(0.5), 0.5, EQUAL),
        (numbers(0.5000001), None, DIFFERENT),
        (numbers(0.5000001), 0.5, WITHIN),
        (numbers(0.549), 0.5, WITHIN),
        (numbers(0.551), 0.5, DIFFERENT),
        # At least one of a hundred specimens may fall the other way.
        (numbers(0.51), 0.0, WITHIN),
        (numbers(0.52), 0.0, DIFFERENT),
        # Another number of specimens is another measurement, however near the value.
        (numbers(0.5, n=99), 0.5, DIFFERENT),
        (numbers(0.5, chance=0.2), 0.5, DIFFERENT),
        # The figure is the same, its interval was drawn otherwise.
        (numbers(0.5, half=0.11), None, DIFFERENT),
        (numbers(0.5, half=0.11), 0.5, WITHIN),
        ({}, 0.5, MISSING),
    ],
)
def test_a_figure_is_equal_near_or_different(now: dict[str, float], share: float | None, verdict: str) -> None:
    (one,) = compare_figures(numbers(0.5), now, share=share)
    assert one.verdict == verdict


def test_a_figure_that_is_new_is_missing_in_the_run() -> None:
    assert counted(compare_figures({}, numbers(0.5), share=0.5)) == {MISSING: 1}


def test_another_seed_is_judged_by_both_intervals() -> None:
    allowed = (0.1**2 + 0.1**2) ** 0.5
    for difference, verdict in ((allowed - 0.001, WITHIN), (allowed + 0.001, DIFFERENT)):
        (one,) = compare_figures(numbers(0.5), numbers(0.5 + difference), share=0.5, other_seed=True)
        assert one.tolerance == pytest.approx(allowed)
        assert one.verdict == verdict


def test_a_plain_count_must_be_equal() -> None:
    key = "zero_shot/test/common/fallbacks"
    assert [one.verdict for one in compare_figures({key: 5.0}, {key: 5.0}, share=0.5)] == [EQUAL]
    assert [one.verdict for one in compare_figures({key: 5.0}, {key: 6.0}, share=0.5)] == [DIFFERENT]


def test_the_first_step_that_differs_is_found() -> None:
    then = [{"step": 0, "train/loss": 2.0}, {"step": 0, "lr/image": 0.1}, {"step": 1, "train/loss": 1.0}, {"step": 2}]
    now = [{"step": 0, "train/loss": 2.0, "lr/image": 0.1}, {"step": 1, "train/loss": 1.25}]
    found = compare_history(then, now)
    assert (found.steps, found.only_one, found.first, found.keys) == (2, 1, 1, ("train/loss",))
    assert found.loss == pytest.approx(0.2)
    assert not found.is_equal


def test_the_clock_is_not_compared() -> None:
    then = [{"step": 0, "train/loss": 2.0, "train/samples_per_second": 10.0, "train/data_wait": 0.1}]
    now = [{"step": 0, "train/loss": 2.0, "train/samples_per_second": 20.0, "train/data_wait": 0.2}]
    assert compare_history(then, now).is_equal
