import numpy as np
import pytest
import torch

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import run_benchmarks
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.prompts import PromptStyle, class_texts
from clipbio.evaluation.zero_shot import ZeroShot


def test_perfect_vectors_are_all_right_and_keys_are_those_of_the_design(world):
    one = world()
    metrics = ZeroShot(["common", "description"], permutations=500).run(one.split(name="unseen"), one.encode).metrics
    for text_type in ("common", "description", "mean"):
        key = f"zero_shot/unseen/{text_type}/top1"
        assert [metrics[key], metrics[f"{key}/low"], metrics[f"{key}/high"]] == [1, 1, 1]
        assert metrics[f"{key}/n"] == 18
        assert metrics[f"{key}/chance"] == pytest.approx(1 / 6)
    assert metrics["zero_shot/unseen/common/macro_top1"] == 1
    assert metrics["zero_shot/unseen/common/macro_top1/n"] == 6
    assert metrics["zero_shot/unseen/common/top5/chance"] == pytest.approx(5 / 6)
    assert metrics["zero_shot/unseen/common/fallbacks"] == 0
    assert all(np.isfinite(number) for number in metrics.values())


def test_permuted_texts_of_a_perfect_model_fall_to_chance(world):
    one = world(classes=30)
    metrics = ZeroShot(["description"], permutations=3000).run(one.split(), one.encode).metrics
    key = "zero_shot/test/description_permuted/top1"
    assert metrics[key] == pytest.approx(1 / 30, abs=0.003)
    assert metrics[f"{key}/chance"] == pytest.approx(1 / 30)
    assert metrics[f"{key}/low"] <= 1 / 30 <= metrics[f"{key}/high"]
    assert metrics["zero_shot/test/description_permuted/permutations"] == 3000


def test_a_constant_model_gets_nothing(world):
    one = world()
    data = one.split(torch.ones(18, 64) / 8)
    metrics = ZeroShot(["common"]).run(data, lambda texts: torch.ones(len(texts), 64) / 8).metrics
    assert metrics["zero_shot/test/common/top1"] == 0
    assert metrics["zero_shot/test/common/top5"] == 0


def test_a_model_of_nan_gets_nothing(world):
    one = world()
    metrics = ZeroShot(["common"], permutations=9).run(one.split(torch.full((18, 64), torch.nan)), one.encode).metrics
    assert metrics["zero_shot/test/common/top1"] == 0
    assert all(np.isfinite(number) for number in metrics.values())


def test_species_without_description_falls_back_to_its_common_name_and_is_counted(world):
    one = world(undescribed=2)
    seen: list[str] = []

    def encode(texts):
        seen.extend(texts)
        return one.encode(texts)

    metrics = ZeroShot(["description"]).run(one.split(), encode).metrics
    assert metrics["zero_shot/test/description/fallbacks"] == 2
    assert "a photo of plant00." in seen
    assert "description 2 a" in seen
    assert metrics["zero_shot/test/description/top1"] == 1


def test_an_empty_description_among_others_is_left_out(thing):
    mixed = thing(taxon=thing(0).taxon, common_names=("rose",), descriptions=("", "Leaves are broad."))
    texts = class_texts(Candidates.from_named([mixed]), PromptStyle("description"))
    assert texts.texts == ("Leaves are broad.",)
    assert texts.fallback_C.tolist() == [False]


def test_a_class_that_nothing_can_call_is_called_by_its_class_name(thing):
    placeholder = thing(label="unknown")
    texts = class_texts(Candidates.from_named([placeholder]), PromptStyle("common"))
    assert texts.texts == ("a photo of unknown.",)
    assert texts.fallback_C.tolist() == [True]


def test_prompts_of_a_class_are_normalised_averaged_and_normalised_again(world):
    one = world(classes=2, per_class=1)
    table = {"description 0 a": [3.0, 0.0], "description 0 b": [0.0, 1.0], "description 1 a": [0.0, -2.0]}

    def encode(texts):
        return torch.tensor([table.get(text, [0.0, -1.0]) for text in texts])

    detail = ZeroShot(["description"]).run(one.split(torch.eye(2)), encode).details[0]
    assert detail.target_score_N[0].item() == pytest.approx(2**-0.5)


def test_every_template_of_a_set_is_averaged(world):
    one = world(classes=2, per_class=1)
    seen: list[str] = []

    def encode(texts):
        seen.extend(texts)
        return one.encode(texts)

    ZeroShot(["common"], ["a {}.", "the {}."]).run(one.split(), encode)
    assert seen == ["a plant00.", "the plant00.", "a plant01.", "the plant01."]


def test_sentences_of_a_description_can_stand_alone(world, thing):
    flower = thing(taxon=thing(0).taxon, descriptions=("Leaves are broad and long. Flowers are small and red.",))
    data = SplitData.build("test", ["a"], vectors_ND=torch.ones(1, 1), named=[flower])
    seen: list[str] = []

    def encode(texts):
        seen.extend(texts)
        return torch.ones(len(texts), 1)

    ZeroShot(["description"], sentences=True).run(data, encode)
    assert seen == ["Leaves are broad and long.", "Flowers are small and red."]


def test_wider_candidates_add_errors_but_leave_the_split_alone(world, thing):
    one = world(classes=3, per_class=2)
    # An image of class 0 that is nearer to class 5, which is no candidate of the split.
    vectors = torch.eye(64)[[0, 0, 1, 1, 2, 2]]
    vectors[0] = 0.6 * vectors[0] + 0.8 * torch.eye(64)[5]
    data = one.split(vectors, name="unseen", table=[thing(k) for k in range(6)])
    alone = ZeroShot(["common"]).run(data, one.encode).metrics
    both = ZeroShot(["common"], candidates="both").run(data, one.encode).metrics
    assert {key: both[key] for key in alone} == alone
    assert alone["zero_shot/unseen/common/top1"] == 1
    assert both["zero_shot/unseen@all/common/top1"] == pytest.approx(5 / 6)
    assert both["zero_shot/unseen@all/common/top1/chance"] == pytest.approx(1 / 6)
    only = ZeroShot(["common"], candidates="all").run(data, one.encode).metrics
    assert not any(key.startswith("zero_shot/unseen/") for key in only)


def test_mean_is_the_mean_over_text_types(world):
    one = world()

    def encode(texts):  # knows common names, and takes every description for that of class 0
        return one.encode([text if "photo" in text else "0" for text in texts])

    metrics = ZeroShot(["common", "description"]).run(one.split(), encode).metrics
    assert metrics["zero_shot/test/description/top1"] == 0
    assert metrics["zero_shot/test/mean/top1"] == 0.5
    assert metrics["zero_shot/test/mean/top1/n"] == 18


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_few_classes_cap_top5(world, classes):
    one = world(classes=classes)
    metrics = ZeroShot(["common"], permutations=10).run(one.split(), one.encode).metrics
    assert metrics["zero_shot/test/common/top5"] == metrics["zero_shot/test/common/top5/chance"] == 1
    assert metrics["zero_shot/test/common/top1/chance"] == 1 / classes


def test_empty_split_gives_nothing_and_says_so(world, caplog):
    one = world(classes=0)
    assert ZeroShot(["common"]).run(one.split(torch.zeros(0, 64)), one.encode).metrics == {}
    assert "no images" in caplog.text


def test_intervals_can_be_off(world):
    one = world()
    metrics = ZeroShot(["common"], bootstrap=0).run(one.split(), one.encode).metrics
    assert not any(key.endswith(("/low", "/high")) for key in metrics)


def test_the_same_seed_gives_the_same_numbers(world):
    one = world()
    data = one.split(torch.randn(18, 64, generator=torch.Generator().manual_seed(0)))
    first, again, other = (
        ZeroShot(["common"], permutations=50, seed=seed).run(data, one.encode).metrics for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_types": ["comon"]}, "did you mean 'common'"),
        ({"text_types": []}, "at least one"),
        ({"candidates": "spilt"}, "did you mean 'split'"),
        ({"template": "phot"}, "did you mean 'photo"),
    ],
)
def test_wrong_options_are_told_before_anything_runs(options, message):
    with pytest.raises(ClipbioError, match=message):
        ZeroShot(**options)


def test_benchmarks_run_on_their_splits_and_absent_ones_are_told(world, caplog):
    one = world()
    splits = [one.split(name="test"), one.split(name="unseen")]
    result = run_benchmarks({"zero_shot": ZeroShot(["common"], splits=["unseen", "key"])}, splits, one.encode)
    assert {detail.split for detail in result.details} == {"unseen"}
    assert "no split key" in caplog.text
