import logging
import math

import pytest
from key_worlds import animal, random_splits, split_data, unit

from clipbio.errors import ClipbioError
from clipbio.evaluation.taxon_consistent import TaxonConsistent
from clipbio.taxonomy import Taxon

A, B, C = animal("F", "G", "a"), animal("F", "G", "b"), animal("F", "H", "c")


def no_text(texts):
    raise AssertionError("no texts are asked for")


def test_figures_of_a_table_made_by_hand():
    keys = split_data("train", [A, B, C], {"image": unit(0, 90, 180)})
    val = split_data("val", [A, B], {"image": unit(1, 89)})
    # Right, taken for its sister, taken for another genus, known to its family alone.
    test = split_data("test", [A, B, C, animal("F")], {"image": unit(3, 3, 92, 170)})
    unseen = split_data("unseen", [animal("F", "G", "new"), animal("E", "N", "new")], {"image": unit(1, 88)})
    data = {"train": keys, "val": val, "test": test, "unseen": unseen}
    benchmark = TaxonConsistent(["image_to_image"], bootstrap=20, temperatures=[0.02])
    result = benchmark.run_across(data, ("test", "unseen"), no_text)
    found = {key.removeprefix("taxon_consistent/test/image_to_image/"): one for key, one in result.metrics.items()}
    assert found["species/top1"] == pytest.approx(1 / 3)
    assert found["species/top1/n"] == 3
    assert found["species/top1/chance"] == pytest.approx(1 / 3)
    assert found["genus/top1"] == pytest.approx(2 / 3)
    assert found["family/top1"] == found["consistent"] == 1
    assert found["distance"] == pytest.approx((0 + 1 + 2 + 0) / 4)
    assert found["distance_wrong"] == pytest.approx(1.5)
    assert found["species/top1/low"] <= found["species/top1"] <= found["species/top1/high"]
    unseen_found = {
        key.removeprefix("taxon_consistent/unseen/image_to_image/"): one for key, one in result.metrics.items()
    }
    assert unseen_found["species/top1"] == 0
    assert unseen_found["genus/top1"] == 0.5
    assert unseen_found["distance"] == pytest.approx((1 + 3) / 2)
    assert {(one.split, one.pair) for one in result.details} == {
        ("test", "image_to_image"),
        ("unseen", "image_to_image"),
    }


def test_backing_off_on_random_data_reaches_the_accuracy_that_was_asked_for():
    sizes = {
        "train": (200, range(20)),
        "val": (150, range(20)),
        "test": (150, range(20)),
        "unseen": (100, range(20, 30)),
    }
    data = random_splits(9, sizes, noise=1.0)
    metrics = (
        TaxonConsistent(["image_to_dna"], bootstrap=0).run_across(data, ("val", "test", "unseen"), no_text).metrics
    )
    val, test, unseen = (f"taxon_consistent/{split}/image_to_dna" for split in ("val", "test", "unseen"))
    assert metrics[f"{val}/species/top1"] < 0.9 <= metrics[f"{val}_backoff/right"]
    assert metrics[f"{test}_backoff/right"] > metrics[f"{test}/species/top1"]
    assert metrics[f"{test}_backoff/species/top1"] <= metrics[f"{test}/species/top1"]
    assert metrics[f"{test}_backoff/species/answered"] < metrics[f"{test}_backoff/family/answered"] < 1
    assert metrics[f"{unseen}_backoff/depth"] < metrics[f"{test}_backoff/depth"] < 7
    assert metrics[f"{test}/consistent"] == 1
    assert metrics[f"{test}_best/consistent"] < 1
    assert metrics[f"{test}/distance"] < metrics[f"{unseen}/distance"]


def test_queries_without_a_label_count_nowhere(caplog):
    keys = split_data("train", [A, B, C], {"image": unit(0, 90, 180)})
    val = split_data("val", [A, B], {"image": unit(1, 89)})
    named, nameless = [A, B], [Taxon()] * 3
    clean, mixed = (
        TaxonConsistent(["image_to_image"], bootstrap=0)
        .run_across({"train": keys, "val": val, "test": split_data("test", *test)}, ("test",), no_text)
        .metrics
        for test in (
            (named, {"image": unit(3, 3)}),
            (named + nameless, {"image": unit(3, 3, 9, 99, 170)}),
        )
    )
    assert mixed.pop("taxon_consistent/test/image_to_image/unlabelled") == 3
    assert clean.pop("taxon_consistent/test/image_to_image/unlabelled") == 0
    assert mixed == clean
    assert mixed["taxon_consistent/test/image_to_image_backoff/right/n"] == 2
    data = {"train": keys, "test": split_data("test", nameless, {"image": unit(9, 99, 170)})}
    with caplog.at_level(logging.WARNING):
        assert TaxonConsistent(["image_to_image"], bootstrap=0).run_across(data, ("test",), no_text).metrics == {}
    assert "no query of test has a label (image_to_image)" in caplog.text


def test_queries_without_the_deepest_label_do_not_loosen_the_confidence(caplog):
    keys = split_data("train", [A, B, C], {"image": unit(0, 90, 180)})
    # B at 40 degrees is taken for A; of those known to the family alone every answer is right.
    named, coarse = [A, B, B, C], [animal("F"), Taxon()] * 20
    where = [5, 40, 80, 170]
    vals = {
        "named": split_data("val", named, {"image": unit(*where)}),
        "mixed": split_data("val", named + coarse, {"image": unit(*where, *[44] * 40)}),
        "coarse": split_data("val", coarse, {"image": unit(*[44] * 40)}),
    }
    test = split_data("test", named, {"image": unit(*where)})
    with caplog.at_level(logging.WARNING):
        found = {
            name: TaxonConsistent(["image_to_image"], bootstrap=0, temperatures=[0.1])
            .run_across({"train": keys, "val": val, "test": test}, ("test",), no_text)
            .metrics
            for name, val in vals.items()
        }
    assert found["mixed"] == found["named"]
    assert found["mixed"]["taxon_consistent/test/image_to_image_backoff/right"] >= 0.9
    assert "no image in val with a species, nothing backs off" in caplog.text
    assert not any("backoff" in key for key in found["coarse"])


def test_luck_hits_only_taxa_that_have_a_key():
    keys = split_data("train", [A, B, C], {"image": unit(0, 90, 180)})
    test = split_data("test", [A, animal("F", "G", "new")], {"image": unit(3, 60)})
    unseen = split_data("unseen", [animal("F", "G", "new")], {"image": unit(60)})
    data = {"train": keys, "test": test, "unseen": unseen}
    metrics = TaxonConsistent(["image_to_image"], bootstrap=0).run_across(data, ("test", "unseen"), no_text).metrics
    assert metrics["taxon_consistent/test/image_to_image/species/top1/chance"] == pytest.approx(1 / 6)
    assert metrics["taxon_consistent/unseen/image_to_image/species/top1/chance"] == 0
    assert metrics["taxon_consistent/unseen/image_to_image/genus/top1/chance"] == 0.5


def test_without_validation_nothing_backs_off_and_missing_keys_are_told(caplog):
    data = random_splits(4, {"train": (40, range(8)), "test": (20, range(8))})
    with caplog.at_level(logging.WARNING):
        metrics = TaxonConsistent(["image_to_image"], bootstrap=0).run_across(data, ("test",), no_text).metrics
    assert "no image in val: temperature 0.02, nothing backs off" in caplog.text
    assert metrics["taxon_consistent/test/image_to_image/temperature"] == 0.02
    assert not any("backoff" in key for key in metrics)
    caplog.clear()
    del data["train"]
    with caplog.at_level(logging.WARNING):
        assert TaxonConsistent(["image_to_image"]).run_across(data, ("test",), no_text).metrics == {}
    assert "no image keys with a taxon, no image_to_image" in caplog.text


def test_needed_are_keys_and_validation():
    available = ("train", "key_unseen", "val", "val_unseen", "test", "unseen")
    assert TaxonConsistent().needed(("test",), available) == ("train", "key_unseen", "val", "val_unseen")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"ranks": ["specis"]}, "did you mean 'species'"),
        ({"votes": "key"}, "did you mean 'keys'"),
        ({"temperatures": [0.0]}, "numbers above 0"),
        ({"accuracy": 90}, "between 0 and 1"),
    ],
)
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        TaxonConsistent(**settings)


def test_where_nothing_is_right_enough_the_root_is_answered():
    keys = split_data("train", [A, C], {"image": unit(0, 180)})
    plant = split_data("val", [Taxon("Plantae", "Q", "D", "R", "E", "N", "x")], {"image": unit(0)})
    data = {"train": keys, "val": plant, "test": plant}
    metrics = TaxonConsistent(["image_to_image"], bootstrap=0).run_across(data, ("test",), no_text).metrics
    path = "taxon_consistent/test/image_to_image_backoff"
    assert (metrics[f"{path}/right"], metrics[f"{path}/depth"], metrics[f"{path}/order/answered"]) == (1, 0, 0)
    assert f"{path}/confidence" not in metrics
    assert all(math.isfinite(number) for number in metrics.values())
