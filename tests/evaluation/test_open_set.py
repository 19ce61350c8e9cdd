import logging
import math

import pytest
import torch
from key_worlds import animal, random_splits, split_data, unit

from clipbio.errors import ClipbioError
from clipbio.evaluation.novelty import has_key, novelty_scores
from clipbio.evaluation.open_set import OpenSet
from clipbio.evaluation.pools import side_of

A, B, C = (animal("F", "G", one) for one in "abc")
GENUS = animal("F", "G")


def no_text(texts):
    raise AssertionError("open set asks for no texts")


def test_scores_of_a_table_made_by_hand():
    keys = split_data("train", [A, A, B], {"image": unit(0, 20, 60)}, groups=[1, 2, 3])
    query = split_data("test", [A, B, C], {"image": unit(10, 50, 90)}, groups=[7, 3, 8])
    data = {"train": keys, "test": query}
    pool, asked = side_of(data, ["train"], "image"), side_of(data, ["test"], "image")
    # The only key of B is of the query's own individual.
    assert has_key(asked, pool, "species").tolist() == [True, False, False]
    assert has_key(asked, pool, "genus").tolist() == [True, True, True]
    scores, answer = novelty_scores(asked, pool, "species", k=2)

    def cosine(*degrees: float) -> list[float]:
        return [math.cos(math.radians(one)) for one in degrees]

    assert scores["nearest"].tolist() == pytest.approx(cosine(10, 30, 30), abs=1e-6)
    mean = [(a + b) / 2 for a, b in zip(cosine(10, 30, 30), cosine(10, 50, 70))]
    assert scores["mean"].tolist() == pytest.approx(mean, abs=1e-6)
    # The second query meets one taxon alone: its lead is over the lowest cosine.
    margin = [cosine(10)[0] - cosine(50)[0], cosine(30)[0] + 1, cosine(30)[0] - cosine(70)[0]]
    assert scores["margin"].tolist() == pytest.approx(margin, abs=1e-6)
    assert answer.tolist() == [A.rank_keys[-1], A.rank_keys[-1], B.rank_keys[-1]]


def test_a_query_without_keys_scores_lowest():
    keys = split_data("train", [A], {"image": unit(0)}, groups=[1])
    query = split_data("test", [A], {"image": unit(0)}, groups=[1])
    data = {"train": keys, "test": query}
    scores, answer = novelty_scores(side_of(data, ["test"], "image"), side_of(data, ["train"], "image"), "species", k=3)
    assert all(score.tolist() == [-math.inf] for score in scores.values())
    assert answer.tolist() == [-1]


@pytest.mark.parametrize("levels", [0, 2])
def test_scores_are_those_of_a_loop(levels):
    data = random_splits(1, {"train": (80, range(10)), "test": (30, range(20))}, levels=levels)
    query, pool = side_of(data, ["test"], "fused"), side_of(data, ["train"], "fused")
    scores, answer = novelty_scores(query, pool, "species", k=4)
    taxa = pool.key_N("species").tolist()
    for row, vector in enumerate(query.vectors_ND):
        cosines = (pool.vectors_ND @ vector).tolist()
        order = sorted(range(len(cosines)), key=lambda one: -cosines[one])
        best = {taxon: max(c for c, t in zip(cosines, taxa) if t == taxon) for taxon in set(taxa)}
        first, second, *_ = sorted(best.values(), reverse=True)
        assert scores["nearest"][row] == pytest.approx(first, abs=1e-5)
        assert scores["mean"][row] == pytest.approx(sum(cosines[one] for one in order[:4]) / 4, abs=1e-5)
        assert scores["margin"][row] == pytest.approx(first - second, abs=1e-5)
        assert best[int(answer[row])] == pytest.approx(first, abs=1e-5)


def splits(**others):
    """Seen A and B, unseen C between them; one test query of A lies among B."""
    keys = split_data("train", [A, B, GENUS], {"image": unit(0, 90, 45)})
    val = split_data("val", [A, B], {"image": unit(10, 85)})
    test = split_data("test", [A, A, B, GENUS], {"image": unit(5, 88, 75, 45)})
    unseen = split_data("unseen", [C, C], {"image": unit(45, 80)})
    return {"train": keys, "val": val, "test": test, "unseen": unseen} | others


def test_figures_of_a_table_made_by_hand():
    data = splits(val_unseen=split_data("val_unseen", [C], {"image": unit(40)}))
    result = OpenSet(["image_to_image"], ["nearest"], bootstrap=50).run_across(data, ("val", "test"), no_text)
    path = "open_set/test+unseen/image_to_image"
    found = {key.removeprefix(f"{path}/"): one for key, one in result.metrics.items() if key.startswith(path)}
    # Angles to the nearest key: known 5, 2 (wrong), 15; unknown 45 and 10.
    assert found["auroc"] == pytest.approx((3 + 2) / 6)
    assert found["oscr"] == pytest.approx((2 + 1) / 6)
    assert found["fpr95"] == 0.5
    assert (found["auroc/n"], found["fpr95/n"], found["auroc/chance"], found["fpr95/chance"]) == (5, 2, 0.5, 0.95)
    assert found["top1"] == pytest.approx(2 / 3)
    # Validation: known at 10 and 5 degrees, unknown at 40; the highest threshold that keeps both known is that of 10.
    assert found["threshold"] == pytest.approx(math.cos(math.radians(10)), abs=1e-6)
    assert found["threshold_unknown"] == 1
    assert found["unlabelled"] == 1
    assert found["known_right"] == pytest.approx(1 / 3)
    assert found["known_rejected"] == pytest.approx(1 / 3)
    assert found["balanced"] == pytest.approx((1 / 3 + found["unknown_rejected"]) / 2)
    assert found["auroc/low"] <= found["auroc"] <= found["auroc/high"]


def test_without_unknown_validation_queries_most_known_ones_are_kept():
    detail = OpenSet(["image_to_image"], ["nearest"]).run_across(splits(), ("test",), no_text).details[0]
    assert detail.threshold == pytest.approx(math.cos(math.radians(10)), abs=1e-6)
    assert "95 %" in detail.rule


def test_needed_are_keys_partners_and_validation():
    available = ("train", "key", "key_unseen", "val", "val_unseen", "test", "unseen")
    benchmark = OpenSet()
    assert set(benchmark.needed(("test",), available)) == {"key", "val", "val_unseen", "test", "unseen"}
    assert set(benchmark.needed(("unseen",), ("train", "test", "unseen"))) == {"train", "test", "unseen"}
    assert "key_unseen" in OpenSet(keys="all").needed(("test",), available)
    other = OpenSet(unknown={"test": "unseen"}, splits=("test",))
    assert set(other.needed(("test",), available)) == {"key", "val", "test", "unseen"}


def test_an_unknown_split_that_the_data_have_not_is_one_line():
    available = ("train", "val", "test", "other")
    assert "other" in OpenSet(unknown={"test": "other"}).needed(("test",), available)
    with pytest.raises(ClipbioError, match="the split 'othr'; did you mean 'other'"):
        OpenSet(unknown={"test": "othr"}).needed(("test",), available)


def test_an_unknown_split_of_test_alone_leaves_the_threshold_to_known_queries():
    data = splits(other=split_data("other", [C, C], {"image": unit(45, 80)}))
    result = OpenSet(["image_to_image"], ["nearest"], unknown={"test": "other"}, bootstrap=0).run_across(
        data, ("test",), no_text
    )
    assert result.metrics["open_set/test+other/image_to_image/threshold_unknown"] == 0
    assert "95 %" in result.details[0].rule


def test_all_keys_make_unseen_species_known():
    data = splits(key_unseen=split_data("key_unseen", [C], {"image": unit(45)}))
    seen, everything = (
        OpenSet(["image_to_image"], ["nearest"], keys=keys).run_across(data, ("test",), no_text)
        for keys in ("seen", "all")
    )
    assert "open_set/test+unseen/image_to_image/auroc" in seen.metrics
    assert everything.metrics == {}


@pytest.mark.parametrize("levels", [0, 3])
def test_every_pair_and_score_on_random_data(levels):
    sizes = {"train": (90, range(10)), "val": (40, range(10)), "val_unseen": (30, range(10, 14)),
             "test": (50, range(10)), "unseen": (40, range(14, 20))}  # fmt: skip
    result = OpenSet(bootstrap=20).run_across(random_splits(2, sizes, levels=levels), ("test", "unseen"), no_text)
    variants = {key.split("/")[2] for key in result.metrics}
    assert len(result.details) == len(variants) == 4 * 3
    for variant in variants:
        found = {
            metric: result.metrics[f"open_set/test+unseen/{variant}/{metric}"] for metric in ("auroc", "oscr", "top1")
        }
        assert 0.5 < found["auroc"] <= 1
        # Ties count half in OSCR and whole in top-1; without any wrong answers both would be equal to AUROC.
        assert found["oscr"] <= min(found["auroc"], found["top1"]) + 1e-9
    assert result.metrics["open_set/test+unseen/image_to_dna/unlabelled"] == 0


def test_what_is_missing_is_told_in_a_line(caplog):
    with caplog.at_level(logging.WARNING):
        nothing = OpenSet(["dna_to_dna"]).run_across(splits(), ("test",), no_text)
    assert nothing.metrics == {}
    assert "no dna keys with a species, no dna_to_dna" in caplog.text
    caplog.clear()
    data = {name: one for name, one in splits().items() if name != "unseen"}
    with caplog.at_level(logging.WARNING):
        assert OpenSet(["image_to_image"], ["nearest"]).run_across(data, ("test",), no_text).metrics == {}
    assert "test has no queries without a key of their species (image_to_image)" in caplog.text


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"pairs": ["image_to_dan"]}, "benchmark open_set: pairs has no choice .* did you mean 'image_to_dna'"),
        ({"pairs": []}, "leaves nothing to measure"),
        ({"scores": ["nearst"]}, "did you mean 'nearest'"),
        ({"rank": "specis"}, "did you mean 'species'"),
        ({"keys": "sen"}, "did you mean 'seen'"),
        ({"k": 0}, "from 1 up"),
        ({"unknown": {"val": "other", "test": "other"}}, "uses the split 'other' twice"),
        ({"unknown": {"test": "val"}}, "uses the split 'val' twice"),
        ({"unknown": {"test": "test"}}, "uses the split 'test' twice"),
    ],
)
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        OpenSet(**settings)


def test_fused_is_the_mean_of_what_is_there():
    vectors = {"image": unit(0, 0, 0), "dna": unit(90, 90, 90)}
    data = {"test": split_data("test", [A, A, A], vectors, absent={"image": [1], "dna": [2]})}
    fused = side_of(data, ["test"], "fused")
    torch.testing.assert_close(fused.vectors_ND, unit(45, 90, 0))
    assert len(side_of(data, ["test"], "dna")) == 2


def test_provisional_names_are_species_and_a_record_never_meets_itself():
    keys = split_data("train", [A, GENUS], {"image": unit(0, 90)}, labels={1: "G sp. BOLD:1"})
    query = split_data("test", [GENUS, GENUS], {"image": unit(80, 45)}, labels={0: "G sp. BOLD:1", 1: "G sp. BOLD:2"})
    data = {"train": keys, "test": query}
    pool = side_of(data, ["train"], "image")
    assert has_key(side_of(data, ["test"], "image"), pool, "species").tolist() == [True, False]
    assert has_key(pool, pool, "species").tolist() == [False, False]


def test_a_side_without_anything_is_none():
    data = {"test": split_data("test", [A, B], {"image": unit(10, 20)}, absent={"image": [0, 1]})}
    assert side_of(data, ["test"], "image") is None
    assert side_of(data, ["test"], "dna") is None
    assert side_of(data, ["unseen", None], "image") is None


def test_a_threshold_that_rejects_everything_is_no_number():
    # Known validation queries are all placed wrong, so the best is to reject them.
    data = splits(
        val=split_data("val", [A], {"image": unit(88)}),
        val_unseen=split_data("val_unseen", [C], {"image": unit(89)}),
    )
    metrics = OpenSet(["image_to_image"], ["nearest"], bootstrap=0).run_across(data, ("test",), no_text).metrics
    path = "open_set/test+unseen/image_to_image"
    assert (metrics[f"{path}/known_rejected"], metrics[f"{path}/unknown_rejected"]) == (1, 1)
    assert all(math.isfinite(number) for number in metrics.values())
    assert f"{path}/threshold" not in metrics
