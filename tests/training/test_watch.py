"""Each warning comes where it should, once, and does not come where it should not."""

import math

import pytest

from clipbio.errors import ClipbioError
from clipbio.training.watch import Reading, Watch

CHANCE = math.log(64)


def told(losses: list[float] | float = 1.0, *, count: int = 20, every: int = 50, fresh: bool = True, **reading: object):
    """Return what a watch says over a run of readings, with the number of the reading."""
    watch = Watch(grace=200, window=3).begin(warmup=100, fresh=fresh)
    values = losses if isinstance(losses, list) else [losses] * count
    said = []
    for number, loss in enumerate(values):
        fields = {name: value(number) if callable(value) else value for name, value in reading.items()}
        step = (number + 1) * every
        said += [(step, text) for text in watch.read(Reading(step, loss, **fields))]
    return said


def falling(count: int = 20) -> list[float]:
    return [4.0 * 0.8**number for number in range(count)]


def test_a_healthy_run_is_not_commented() -> None:
    assert told(falling(), chance=CHANCE, scale=20.0, max_scale=100.0, ranks={"image": 9.0}, distinct_texts=20) == []


def test_a_loss_at_log_of_the_batch_is_told_after_warm_up_and_grace_and_once() -> None:
    said = told(0.99 * CHANCE, chance=CHANCE)
    assert [step for step, _ in said] == [300]
    assert "log(batch)" in said[0][1]
    assert told(0.99 * CHANCE, chance=CHANCE, count=5) == []


def test_one_better_step_in_the_window_is_enough() -> None:
    losses = [0.99 * CHANCE if number % 3 else 0.5 * CHANCE for number in range(20)]
    assert not [text for _, text in told(losses, chance=CHANCE) if "log(batch)" in text]


def test_a_loss_without_a_chance_level_that_does_not_fall_is_told() -> None:
    said = told(7.0)
    assert [step for step, _ in said] == [300]
    assert "nothing is being learned" in said[0][1]
    assert told(falling()) == []
    # The first losses of a continued run are not those of the run.
    assert told(7.0, fresh=False) == []


def test_a_loss_that_is_no_number_is_told_at_once() -> None:
    for bad in (math.nan, math.inf):
        said = told([3.0, 2.0, bad, bad, bad])
        assert [step for step, _ in said] == [150]
        assert "fp16" in said[0][1]


def test_a_temperature_that_rises_to_its_bound_is_told_but_not_one_that_starts_there() -> None:
    said = told(falling(), scale=lambda number: min(100.0, 20.0 + 10 * number), max_scale=100.0)
    assert len(said) == 1
    assert said[0][0] == 50 * (8 + 3)
    assert "loss.max_scale=100" in said[0][1]
    assert told(falling(), scale=100.0, max_scale=100.0) == []
    assert told(falling(), scale=99.0, max_scale=100.0) == []
    assert told(falling(), scale=None) == []


def test_collapsed_embeddings_are_told_per_modality_but_not_where_there_are_few_texts() -> None:
    said = told(falling(), ranks={"image": 1.2, "text": 8.0}, distinct_texts=20)
    assert [step for step, _ in said] == [300]
    assert "the image embeddings" in said[0][1]
    assert told(falling(), ranks={"image": 1.2}, distinct_texts=2) == []
    assert told(falling(), ranks={"image": math.nan}, distinct_texts=20) == []


def test_repeated_texts_are_told_only_where_they_are_negatives() -> None:
    said = told(falling(), duplicate_texts=0.9, negatives=True)
    assert [step for step, _ in said] == [150]
    assert "90% of the rows" in said[0][1]
    assert "loss.targets=taxon" in said[0][1]
    assert told(falling(), duplicate_texts=0.9, negatives=False) == []
    assert told(falling(), duplicate_texts=0.4, negatives=True) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"grace": -1}, "grace=-1"), ({"window": 0}, "window=0"), ({"stuck": 1.5}, "stuck=1.5"), ({"flat": -0.1}, "flat"),
     ({"duplicates": 2}, "duplicates=2"), ({"collapsed": 0.5}, "collapsed=0.5")],
)  # fmt: skip
def test_bad_thresholds_are_told(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        Watch(**settings)
