"""SimpleShot beside scikit-learn's nearest centroid and the published broadcast."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.few_shot import FewShot
from clipbio.evaluation.few_shot_draws import published_draws
from clipbio.evaluation.simple_shot import simple_shot
from clipbio.evaluation.specimens import Specimens


def noisy(classes: int, per_class: int, *, seed: int = 0, spread: float = 0.25) -> torch.Tensor:
    """Return unit vectors around one axis per class, all moved the same way: what centring is good for."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(64)[:classes].repeat_interleave(per_class, dim=0)
    noise = torch.randn(classes * per_class, 64, generator=generator)
    return functional.normalize(centres + spread * noise + 0.5, dim=1)


def run(benchmark: FewShot, *splits: SplitData, judged: tuple[str, ...] = ("test",)) -> Result:
    return benchmark.run_across({one.split: one for one in splits}, judged, lambda texts: torch.zeros(len(texts), 1))


@pytest.fixture
def split(world: Any) -> SplitData:
    found: SplitData = world(classes=6, per_class=12).split(noisy(6, 12))
    return found


def reference(vectors_ND, class_N, support_CK, *, renormalise):
    """Return the classes of all vectors by scikit-learn, or by the published broadcast of differences."""
    support = vectors_ND[support_CK.reshape(-1)]
    mean = support.mean(axis=0)
    centred = [one - mean for one in (support, vectors_ND)]
    support, every = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in centred)
    if renormalise:
        labels = class_N[support_CK.reshape(-1)]
        centroids = NearestCentroid().fit(support, labels).centroids_
        unit = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # the variance of single examples
            return NearestCentroid().fit(unit, np.unique(labels)).predict(every)
    centroids = support.reshape(*support_CK.shape, -1).mean(axis=1)
    distance = np.linalg.norm(centroids[:, None, :] - every, axis=-1)
    return class_N[support_CK[:, 0]][distance.argmin(axis=0)]


@pytest.mark.parametrize("renormalise", [True, False])
def test_answers_are_those_of_straightforward_code(renormalise):
    vectors, class_N = noisy(8, 20, spread=0.4), np.repeat(np.arange(8), 20)
    support_CK = np.arange(160).reshape(8, 20)[:, :5]
    found = simple_shot(vectors[torch.from_numpy(support_CK)], vectors, renormalise=renormalise)
    expected = reference(vectors.numpy(), class_N, support_CK, renormalise=renormalise)
    assert 0.3 < (expected == class_N).mean() < 0.99
    assert np.array_equal(found.numpy(), expected)


def test_normalised_centroids_answer_otherwise():
    # Class 0 has examples that differ, so its mean is short: the published distance holds that against its neighbours.
    vectors, support_CK = noisy(8, 20, spread=0.4), np.arange(160).reshape(8, 20)[:, :5]
    support_CKD = vectors[torch.from_numpy(support_CK)]
    both = [simple_shot(support_CKD, vectors, renormalise=one) for one in (True, False)]
    assert not torch.equal(*both)


def test_a_tie_is_no_class_and_chunks_change_nothing(monkeypatch):
    support_CKD = torch.eye(4)[:2, None]
    query = torch.tensor([[1.0, 1, 0, 0], [1, 0.5, 0, 0]])
    assert simple_shot(support_CKD, functional.normalize(query, dim=1), renormalise=True).tolist() == [-1, 0]
    vectors = noisy(6, 12)
    support_CKD = vectors.reshape(6, 12, -1)[:, :3]
    whole = simple_shot(support_CKD, vectors, renormalise=True)
    monkeypatch.setattr("clipbio.evaluation.simple_shot._NUMBERS_AT_ONCE", 300)
    assert torch.equal(simple_shot(support_CKD, vectors, renormalise=True), whole)


@pytest.mark.parametrize("protocol", ["bioclip_v1", "bioclip_v2"])
def test_published_protocols_equal_the_published_computation(split, protocol):
    vectors, class_N = split.images.vectors_ND.numpy(), split.images.class_N.numpy()
    metrics = run(FewShot(protocol=protocol, folds=3, bootstrap=0), split).metrics
    draws = published_draws(class_N, [1, 5], 3, in_place=protocol == "bioclip_v1")
    for shots, folds in draws.items():
        accuracies = []
        for support_CK in folds:
            right = reference(vectors, class_N, support_CK, renormalise=False) == class_N
            accuracies.append(np.delete(right, support_CK.reshape(-1)).mean())
        path = f"few_shot_{protocol}/test/{shots}_shot"
        assert metrics[f"{path}/mean"] == pytest.approx(np.mean(accuracies))
        assert metrics[f"{path}/std"] == pytest.approx(np.std(accuracies))


def test_figures_have_intervals_chance_and_what_stands_behind_them(split):
    result = run(FewShot(folds=3, bootstrap=200), split)
    metrics = result.metrics
    for key in ("few_shot/test/1_shot/mean", "few_shot/test/5_shot/mean"):
        assert metrics[f"{key}/low"] < metrics[key] < metrics[f"{key}/high"]
        assert metrics[f"{key}/low_species"] < metrics[key] < metrics[f"{key}/high_species"]
        assert metrics[f"{key}/chance"] == pytest.approx(1 / 6)
    assert metrics["few_shot/test/5_shot/mean"] > metrics["few_shot/test/1_shot/mean"]
    assert metrics["few_shot/test/1_shot/macro/n"] == 6
    one, five = result.answers
    assert (one.variant, five.variant) == ("1_shot", "5_shot")
    assert one.value_N.mean() == pytest.approx(metrics[one.key])
    assert five.value_N.mean() == pytest.approx(metrics[five.key])
    # Equal classes: the mean over them is the mean over answers.
    assert metrics["few_shot/test/5_shot/macro"] == pytest.approx(metrics["few_shot/test/5_shot/mean"])
    assert set(five.species) == {f"Genus species{number:02d}" for number in range(6)}


def test_the_order_of_the_data_changes_nothing(split):
    order = torch.randperm(72, generator=torch.Generator().manual_seed(0))
    images = split.images
    turned = replace(
        images,
        ids=tuple(images.ids[row] for row in order),
        vectors_ND=images.vectors_ND[order],
        class_N=images.class_N[order],
    )
    both = [run(FewShot(folds=2), one).metrics for one in (split, replace(split, images=turned))]
    assert both[0] == pytest.approx(both[1])


def test_classes_with_too_few_specimens_are_left_out_and_counted(split, caplog):
    kept = torch.arange(72) < 65  # of the last class 5 are left
    images = replace(
        split.images,
        ids=split.images.ids[:65],
        vectors_ND=split.images.vectors_ND[kept],
        class_N=split.images.class_N[kept],
    )
    one = replace(split, images=images)
    metrics = run(FewShot(shots=[4, 5], folds=2, bootstrap=0), one).metrics
    assert metrics["few_shot/test/4_shot/left_out"] == 0
    assert metrics["few_shot/test/5_shot/left_out"] == 5
    assert metrics["few_shot/test/5_shot/left_out_classes"] == 1
    assert metrics["few_shot/test/5_shot/mean/chance"] == pytest.approx(1 / 5)
    # As published it stays an answer to choose, and with too few for one number of shots there is no figure.
    published = run(FewShot(shots=[5, 6], folds=2, bootstrap=0, protocol="bioclip_v2"), one).metrics
    assert published["few_shot_bioclip_v2/test/5_shot/mean/chance"] == pytest.approx(1 / 6)
    assert "few_shot_bioclip_v2/test/6_shot/mean" not in published
    assert "no figures for [6] shots" in caplog.text


def with_groups(split: SplitData, group_N: torch.Tensor) -> SplitData:
    named = [split.classes.items[place] for place in split.images.class_N.tolist()]
    count = len(split.images)
    specimens = Specimens(
        ids=split.images.ids,
        named=tuple(named),
        vectors={"dna": split.images.vectors_ND},
        present={"dna": torch.ones(count, dtype=torch.bool)},
        taxon_NR=torch.tensor([one.taxon.rank_keys for one in named]),
        group_N=group_N,
    )
    return replace(split, specimens=specimens)


def test_no_query_is_of_the_individual_of_an_example(split):
    # Three pictures of each individual.
    grouped = with_groups(split, torch.arange(72) // 3)
    result = run(FewShot(shots=[1], folds=2, bootstrap=0), grouped)
    content = json.loads(result.files["few_shot/test.json"])
    number = {id_: place // 3 for place, id_ in enumerate(split.images.ids)}
    examples = [{number[id_] for id_ in fold} for fold in content["shots"]["1"]]
    assert [len(fold) for fold in examples] == [6, 6]
    asked = set(result.answers[0].ids)
    assert asked == {id_ for id_ in split.images.ids if not all(number[id_] in fold for fold in examples)}
    assert result.metrics["few_shot/test/1_shot/mean/n"] == len(asked)


def test_no_query_is_of_the_individual_of_an_example_of_another_split(world, split):
    train = world(classes=6, per_class=1).split(noisy(6, 1, seed=1), name="train")
    train = replace(train, images=replace(train.images, ids=tuple(f"train-{row}" for row in range(6))))
    # Of each class one individual has a picture in train and three in test.
    train = with_groups(train, torch.arange(0, 24, 4))
    grouped = with_groups(split, torch.arange(72) // 3)
    result = run(FewShot(shots=[1], support="train", folds=1, bootstrap=0), grouped, train)
    assert result.metrics["few_shot/test/1_shot/mean/n"] == 72 - 6 * 3
    published = run(
        FewShot(shots=[1], support="train", folds=1, bootstrap=0, protocol="bioclip_v2"), grouped, train
    ).metrics
    assert published["few_shot_bioclip_v2/test/1_shot/mean/n"] == 72


def test_barcodes_are_a_modality_too(split):
    dna = run(FewShot(modality="dna", bootstrap=0), with_groups(split, torch.arange(72))).metrics
    image = run(FewShot(bootstrap=0), with_groups(split, torch.arange(72))).metrics
    assert dna == image
    with pytest.raises(ClipbioError, match="no DNA was encoded on split 'test'"):
        run(FewShot(modality="dna"), split)


def test_examples_of_another_split(world, split, caplog):
    train = world(classes=5, per_class=8).split(noisy(5, 8, seed=1), name="train")
    train = replace(train, images=replace(train.images, ids=tuple(f"train-{row}" for row in range(40))))
    benchmark = FewShot(support="train", folds=2, bootstrap=0)
    assert benchmark.needed(["test"], ["train", "test"]) == ("train",)
    result = run(benchmark, split, train)
    # Every image of the five classes is asked in every fold.
    assert result.metrics["few_shot/test/5_shot/mean/n"] == 60
    assert result.metrics["few_shot/test/5_shot/left_out"] == 12
    assert result.metrics["few_shot/test/5_shot/mean"] > 0.5
    support = json.loads(result.files["few_shot/test.json"])["shots"]["5"]
    assert all(id_.startswith("train-") for fold in support for id_ in fold)
    with caplog.at_level(logging.WARNING):
        assert run(benchmark, split).metrics == {}
    assert "has no split train to take examples from" in caplog.text


@pytest.mark.parametrize("protocol", ["clipbio", "bioclip_v1"])
def test_another_model_takes_the_same_examples(split, tmp_path: Path, protocol):
    first = run(FewShot(folds=2, seed=3, bootstrap=0, protocol=protocol), split)
    (name, text), *_ = first.files.items()
    (tmp_path / "test.json").write_text(text)
    assert name.endswith("/test.json")
    for given in (tmp_path, tmp_path / "test.json"):
        again = run(FewShot(folds=2, seed=4, bootstrap=0, protocol=protocol, support_file=str(given)), split)
        assert again.metrics == pytest.approx(first.metrics)
        drawn = [
            {k: [sorted(ids) for ids in folds] for k, folds in json.loads(one.files[name])["shots"].items()}
            for one in (first, again)
        ]
        assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shots": []}, "must be numbers from 1 up"),
        ({"shots": [0]}, "must be numbers from 1 up"),
        ({"folds": 0}, "must be numbers from 1 up"),
        ({"modality": "text"}, "modality has no choice 'text'"),
        ({"protocol": "clibd"}, "protocol has no choice 'clibd'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ClipbioError, match=message):
        FewShot(**settings)
