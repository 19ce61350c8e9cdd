import logging
import math

import pytest
from key_worlds import animal, random_splits, split_data, unit

from clipbio.errors import ClipbioError
from clipbio.evaluation.two_stage import TwoStage

A, B, C, D = (animal("F", "G", one) for one in "abcd")


def no_text(texts):
    raise AssertionError("no texts are asked for")


def hand_made(**changes):
    """Seen A and B at 0 and 90 degrees, unseen C and D at 200 and 290."""
    keys = split_data("train", [A, B], {"image": unit(0, 90)})
    splits = {
        "train": keys,
        "key_unseen": split_data("key_unseen", [C, D], {"dna": unit(200, 290)}),
        "val": split_data("val", [A, B], {"image": unit(10, 70)}),
        "val_unseen": split_data("val_unseen", [C], {"image": unit(140)}),
        "test": split_data("test", [A, B, B], {"image": unit(5, 80, 35)}),
        "unseen": split_data("unseen", [C, D, C], {"image": unit(190, 280, 100)}),
    } | changes
    return {name: one for name, one in splits.items() if one is not None}


def test_figures_of_a_table_made_by_hand():
    metrics = TwoStage(["nearest"], bootstrap=20).run_across(hand_made(), ("test", "unseen"), no_text).metrics
    joined = "two_stage/test+unseen/nearest"
    # Seen validation queries lie 10 and 20 degrees from a key, the unseen one 50: the first threshold that parts them.
    low, step = math.cos(math.radians(50)), 1 / 999
    assert metrics[f"{joined}/threshold"] == pytest.approx(math.ceil(low / step) * step)
    assert metrics[f"{joined}/threshold_unseen"] == 1
    # Of B at 35 degrees A is nearer: kept and wrong. C at 100 degrees is taken for B: kept and wrong.
    assert metrics["two_stage/test/nearest/species/micro@1"] == pytest.approx(2 / 3)
    assert metrics["two_stage/test/nearest/species/macro@1"] == pytest.approx((1 + 1 / 2) / 2)
    assert metrics["two_stage/unseen/nearest/species/micro@1"] == pytest.approx(2 / 3)
    assert metrics["two_stage/test/nearest/kept"] == 1
    assert metrics["two_stage/unseen/nearest/kept"] == pytest.approx(1 / 3)
    assert metrics[f"{joined}/species/micro@1"] == pytest.approx(2 / 3)
    assert metrics[f"{joined}/species/micro@1/n"] == 6
    # The second slot of B at 35 degrees is B, 55 degrees away: not above the threshold, so a DNA key stands there.
    assert metrics["two_stage/test/nearest/species/micro@3"] == pytest.approx(2 / 3)


def test_without_unseen_validation_queries_most_seen_ones_stay_in_stage_one(caplog):
    with caplog.at_level(logging.WARNING):
        metrics = TwoStage(["nearest"], bootstrap=0).run_across(hand_made(val_unseen=None), ("test", "unseen"), no_text)
    assert "no unseen queries in validation; nearest keeps 95 % of the seen ones" in caplog.text
    joined = "two_stage/test+unseen/nearest"
    assert metrics.metrics[f"{joined}/threshold"] == pytest.approx(math.cos(math.radians(20)), abs=1e-6)
    assert metrics.metrics[f"{joined}/threshold_unseen"] == 0
    val = TwoStage(["nearest"], bootstrap=0).run_across(hand_made(val_unseen=None), ("val",), no_text).metrics
    assert val["two_stage/val/nearest/kept"] == 1


def test_without_a_split_of_unseen_keys_the_other_specimens_of_the_split_stand_in():
    both = {"image": unit(200, 210, 290), "dna": unit(200, 210, 290)}
    data = hand_made(key_unseen=None, val_unseen=None, unseen=split_data("unseen", [C, C, D], both))
    metrics = TwoStage(["nearest"], bootstrap=0).run_across(data, ("test", "unseen"), no_text).metrics
    # The only specimen of D does not meet its own barcode.
    assert metrics["two_stage/unseen/nearest/species/micro@1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("missing", ["train", "val"])
def test_what_is_missing_is_told_in_a_line(missing, caplog):
    with caplog.at_level(logging.WARNING):
        result = TwoStage(["nearest"]).run_across(hand_made(**{missing: None}), ("test", "unseen"), no_text)
    assert result.metrics == {}
    assert ("no image keys with a species" if missing == "train" else "no image queries in val") in caplog.text


def test_a_single_seen_species_has_no_classifier(caplog):
    data = hand_made(train=split_data("train", [A], {"image": unit(0)}))
    with caplog.at_level(logging.WARNING):
        metrics = TwoStage(bootstrap=0).run_across(data, ("test", "unseen"), no_text).metrics
    assert "one species alone, no classifier" in caplog.text
    assert {key.split("/")[2] for key in metrics} == {"nearest"}


def test_both_strategies_on_random_data_beat_each_stage_alone():
    sizes = {"key": (150, range(15)), "key_unseen": (100, range(15, 25)), "val": (100, range(15)),
             "val_unseen": (80, range(15, 25)), "test": (120, range(15)), "unseen": (100, range(15, 25))}  # fmt: skip
    data = random_splits(3, sizes, noise=0.6)
    metrics = TwoStage(bootstrap=20).run_across(data, ("test", "unseen"), no_text).metrics
    for strategy in ("nearest", "classifier"):
        path = f"two_stage/test+unseen/{strategy}"
        seen, unseen = (metrics[f"two_stage/{one}/{strategy}/species/micro@1"] for one in ("test", "unseen"))
        mean = metrics[f"{path}/species/micro@1"]
        assert mean == pytest.approx(2 * seen * unseen / (seen + unseen))
        # Either stage alone has a harmonic mean of 0.
        assert mean > 0.5
        assert metrics[f"{path}/species/micro@1/low"] <= mean <= metrics[f"{path}/species/micro@1/high"]
        assert mean <= metrics[f"{path}/species/micro@5"]
        assert metrics[f"two_stage/unseen/{strategy}/kept"] < 0.5 < metrics[f"two_stage/test/{strategy}/kept"]


def test_needed_are_keys_validation_and_partners():
    available = ("train", "key_unseen", "val", "val_unseen", "test", "unseen")
    assert set(TwoStage().needed(("test",), available)) == {"train", "key_unseen", "val", "val_unseen", "unseen"}
    assert set(TwoStage().needed(("val",), ("train", "val", "test", "unseen"))) == {"train", "val"}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"strategies": ["nearst"]}, "did you mean 'nearest'"),
        ({"rank": "specis"}, "did you mean 'species'"),
        ({"ks": [1, 10]}, "from 1 to slots=5"),
        ({"strength": 0}, "above 0"),
    ],
)
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        TwoStage(**settings)
