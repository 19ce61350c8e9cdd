"""`benchmark=describe` and `benchmark=verify` on a flora whose answers are known."""

import dataclasses

import numpy as np
import pytest
import torch
from character_worlds import COLUMNS, encode, splits

from clipbio.characters.describing import Describe, macro_resamples
from clipbio.characters.verifying import Verify
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import CrossBenchmark
from clipbio.evaluation.panels import panels
from clipbio.evaluation.pictures import Album


@pytest.fixture(scope="module")
def described():
    return Describe(columns=COLUMNS, bootstrap=200).run_across(splits(), ["train", "unseen"], encode)


@pytest.fixture(scope="module")
def verified():
    return Verify(columns=COLUMNS, bootstrap=200).run_across(splits(), ["unseen"], encode)


def test_they_are_cross_benchmarks_that_ask_for_train_and_validation() -> None:
    for one in (Describe(), Verify()):
        assert isinstance(one, CrossBenchmark)
        assert one.needed(["unseen"], ["train", "val", "test", "unseen"]) == ("train", "val")
        assert one.needed([], ["train", "val"]) == ()


def test_what_is_seen_is_well_above_the_most_frequent_state_and_what_is_hidden_is_not(described) -> None:
    metrics = described.metrics
    for name in ("flower_colour", "leaf_shape"):
        path = f"describe/unseen/{name}"
        assert metrics[f"{path}/accuracy"] > 0.8 > metrics[f"{path}/accuracy/chance"]
        assert metrics[f"{path}/over_majority/low"] > 0.1
        assert metrics[f"{path}/probe_accuracy"] > 0.6
        assert metrics[f"{path}/accuracy/low"] <= metrics[f"{path}/accuracy"] <= metrics[f"{path}/accuracy/high"]
        assert metrics[f"{path}/accuracy/n"] == 60
    hidden = "describe/unseen/root_type"
    assert metrics[f"{hidden}/over_majority/low"] <= 0.1
    assert metrics[f"{hidden}/answered"] == 0
    assert f"{hidden}/answered_accuracy" not in metrics
    assert not any(key.startswith("describe/train") for key in metrics)


def test_the_mean_is_over_characters_and_chance_that_of_the_most_frequent_states(described) -> None:
    metrics = described.metrics
    names = ("flower_colour", "leaf_shape", "root_type")
    for metric in ("accuracy", "accuracy/chance", "over_majority"):
        own = [metrics[f"describe/unseen/{name}/{metric}"] for name in names]
        assert metrics[f"describe/unseen/mean/{metric}"] == pytest.approx(np.mean(own))
    assert metrics["describe/unseen/mean/accuracy/n"] == 3
    assert metrics["describe/unseen/mean/ece"] < metrics["describe/unseen/mean/ece_before"]


def test_answers_stand_behind_the_figures(described) -> None:
    by_key = {one.key: one for one in described.answers}
    for key, one in by_key.items():
        assert described.metrics[key] == pytest.approx(one.value_N.mean())
    assert set(by_key["describe/unseen/leaf_shape/accuracy"].species) <= {f"Genus species{n}" for n in range(500, 520)}


def test_true_statements_score_above_planted_ones_and_frequency_tells_nothing(verified) -> None:
    metrics = verified.metrics
    assert metrics["verify/unseen/flower_colour/auroc"] > 0.95
    assert metrics["verify/unseen/flower_colour/auroc/low"] > 0.8
    assert metrics["verify/unseen/root_type/auroc/low"] < 0.5
    assert metrics["verify/unseen/all/auroc/chance"] == 0.5
    assert metrics["verify/unseen/all/supported_right"] > 0.9
    assert metrics["verify/unseen/all/contradicted_right"] > 0.8
    priors = [value for key, value in metrics.items() if key.endswith("prior_auroc")]
    assert priors == pytest.approx([0.5] * len(priors))


def test_the_report_shows_both(described, verified) -> None:
    shown = panels([*described.details, *verified.details], Album())
    assert [one.title for one in shown] == ["Describe: unseen", "Verify: unseen"]
    assert [len(one.plots) for one in shown] == [2, 1]
    assert "their records" in shown[0].note


def test_descriptions_are_truth_too() -> None:
    result = Describe(probe=False, bootstrap=0).run_across(splits(), ["unseen"], encode)
    assert result.metrics["describe/unseen/flower_colour/accuracy"] > 0.8
    assert "describe/unseen/flower_colour/probe_accuracy" not in result.metrics
    assert "describe/unseen/flower_colour/accuracy/low" not in result.metrics


def test_species_of_which_nothing_is_told_do_not_count() -> None:
    data = splits()
    named = tuple(
        dataclasses.replace(one, metadata={**one.metadata, "leaf": None}) if number < 30 else one
        for number, one in enumerate(data["unseen"].specimens.named)
    )
    data["unseen"] = dataclasses.replace(
        data["unseen"], specimens=dataclasses.replace(data["unseen"].specimens, named=named)
    )
    metrics = Describe(columns=COLUMNS, probe=False, bootstrap=0).run_across(data, ["unseen"], encode).metrics
    assert metrics["describe/unseen/leaf_shape/accuracy/n"] == 30
    assert metrics["describe/unseen/flower_colour/accuracy/n"] == 60


def test_without_validation_or_characters_they_say_so() -> None:
    data = splits()
    with pytest.raises(ClipbioError, match="needs a split val or val_unseen"):
        Describe(columns=COLUMNS).run_across({"train": data["train"], "unseen": data["unseen"]}, ["unseen"], encode)
    with pytest.raises(ClipbioError, match="no record has the column 'leafs'; did you mean 'leaf'"):
        Verify(columns={"leafs": "leaf shape"}).run_across(data, ["unseen"], encode)
    with pytest.raises(ClipbioError, match="no character is left"):
        Verify(columns=COLUMNS, min_species=99).run_across(data, ["unseen"], encode)
    with pytest.raises(ClipbioError, match="min_species=0"):
        Describe(min_species=0)
    with pytest.raises(ClipbioError, match="accuracy=80"):
        Verify(accuracy=80)


def test_what_they_are_fitted_on_is_not_judged(caplog: pytest.LogCaptureFixture) -> None:
    for one in (Describe(columns=COLUMNS, probe=False, bootstrap=0), Verify(columns=COLUMNS, bootstrap=0)):
        metrics = one.run_across(splits(), ["val", "unseen"], encode).metrics
        assert {key.split("/")[1] for key in metrics} == {"unseen"}
        assert one.run_across(splits(), ["val"], encode).metrics == {}
        assert f"{one.name}: val is fitted on" in caplog.text


def test_resamples_of_species_move_all_characters_together() -> None:
    species = np.repeat(np.arange(10), 3)
    value = np.repeat(np.arange(10) % 2, 3).astype(float)
    opposite = macro_resamples([value, 1 - value], [species, species], seed=0, resamples=50)
    assert opposite == pytest.approx([0.5] * 50)
    alike = macro_resamples([value, value], [species, species], seed=0, resamples=50)
    assert alike.std() > 0.05


def test_vectors_that_tell_nothing_are_at_chance() -> None:
    data = splits()
    noise = torch.nn.functional.normalize(torch.randn(60, 24, generator=torch.Generator().manual_seed(0)), dim=1)
    data["unseen"] = dataclasses.replace(
        data["unseen"], images=dataclasses.replace(data["unseen"].images, vectors_ND=noise)
    )
    metrics = Verify(columns=COLUMNS, bootstrap=200).run_across(data, ["unseen"], encode).metrics
    assert metrics["verify/unseen/all/auroc/low"] < 0.5 < metrics["verify/unseen/all/auroc/high"]
