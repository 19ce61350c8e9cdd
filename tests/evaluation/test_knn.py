"""Nearest neighbours beside scikit-learn's and beside votes counted one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.knn import Knn, voted
from clipbio.evaluation.neighbours import Neighbours, nearest_keys
from clipbio.evaluation.specimens import Specimens


def noisy(classes: int, per_class: int, *, seed: int = 0, spread: float = 0.2) -> torch.Tensor:
    centres = torch.eye(64)[:classes].repeat_interleave(per_class, dim=0)
    noise = torch.randn(classes * per_class, 64, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(centres + spread * noise, dim=1)


def run(benchmark: Knn, *splits: SplitData) -> Result:
    return benchmark.run_across({one.split: one for one in splits}, ["test"], lambda texts: torch.zeros(len(texts), 1))


@pytest.fixture
def split(world: Any) -> SplitData:
    found: SplitData = world(classes=6, per_class=12).split(noisy(6, 12))
    return found


@pytest.fixture
def train(world: Any) -> SplitData:
    found = world(classes=6, per_class=10).split(noisy(6, 10, seed=1), name="train")
    return replace(found, images=replace(found.images, ids=tuple(f"train-{row}" for row in range(60))))


def test_keys_of_train_give_the_answers_of_scikit_learn(split, train):
    fitted = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(train.images.vectors_ND, train.images.class_N)
    expected = fitted.predict(split.images.vectors_ND) == split.images.class_N.numpy()
    result = run(Knn(ks=[1], keys="train", bootstrap=0), split, train)
    assert 0.5 < expected.mean() < 1
    assert np.array_equal(result.answers[0].value_N, expected)
    assert result.metrics["knn/test/k1/top1"] == pytest.approx(expected.mean())
    assert Knn(keys="train").needed(["test"], ["train", "test"]) == ("train",)
    assert Knn().needed(["test"], ["train", "test"]) == ()


@pytest.mark.parametrize("k", [5, 20])
def test_majorities_are_those_of_scikit_learn_where_they_are_single(split, train, k):
    fitted = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(train.images.vectors_ND, train.images.class_N)
    share_QC = fitted.predict_proba(split.images.vectors_ND)
    single_Q = (share_QC >= share_QC.max(axis=1, keepdims=True) - 1e-9).sum(axis=1) == 1
    expected = share_QC.argmax(axis=1) == split.images.class_N.numpy()
    found = run(Knn(ks=[k], vote="majority", keys="train", bootstrap=0), split, train).answers[0].value_N
    assert single_Q.sum() > 40
    assert np.array_equal(found[single_Q], expected[single_Q])


@pytest.mark.parametrize("vote", ["majority", "softmax"])
def test_one_is_left_out_and_votes_are_counted_one_by_one(split, vote):
    vectors, class_N = split.images.vectors_ND.numpy().astype(np.float64), split.images.class_N.tolist()
    right = []
    for row in range(72):
        score = vectors @ vectors[row]
        near = sorted((other for other in range(72) if other != row), key=lambda other: -score[other])[:7]
        votes: dict[int, float] = {}
        for other in near:
            votes[class_N[other]] = votes.get(class_N[other], 0) + (
                np.exp(score[other] / 0.07) if vote == "softmax" else 1
            )
        # A dictionary keeps the order in which classes came: of equal ones max takes the nearer.
        right.append(max(votes, key=lambda one: votes[one]) == class_N[row])
    result = run(Knn(ks=[7], vote=vote, bootstrap=100), split)
    assert result.answers[0].value_N.tolist() == right
    metrics = result.metrics
    assert metrics["knn/test/k7/top1/chance"] == pytest.approx(1 / 6)
    assert metrics["knn/test/k7/top1/low_species"] <= metrics["knn/test/k7/top1"] <= metrics["knn/test/k7/top1/high"]
    assert metrics["knn/test/k7/macro_top1/n"] == 6


def test_ties_go_to_the_nearer_key_and_missing_keys_have_no_vote():
    near = Neighbours(
        torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.9, 0.5, -torch.inf, -torch.inf], [-torch.inf] * 4]),
        torch.tensor([[3, 0, 1, 2], [0, 2, -1, -1], [-1] * 4]),
    )
    classes_K = torch.tensor([10, 10, 20, 20])
    assert voted(near, classes_K, 4, "majority", 0.07).tolist() == [20, 10, -1]
    assert voted(near, classes_K, 3, "majority", 0.07).tolist() == [10, 10, -1]
    assert voted(near, classes_K, 4, "softmax", 0.07).tolist() == [20, 10, -1]


def test_far_keys_have_a_say_when_the_temperature_is_high():
    near = nearest_keys(
        torch.eye(3)[:1], functional.normalize(torch.tensor([[1.0, 0, 0], [2, 1, 0], [2, 0, 1]]), dim=1), k=3
    )
    classes_K = torch.tensor([1, 2, 2])
    assert [voted(near, classes_K, 3, "softmax", one).tolist() for one in (0.01, 1.0)] == [[1], [2]]


def test_individuals_never_meet_and_those_alone_in_their_class_are_left_out(split):
    named = tuple(split.classes.items[place] for place in split.images.class_N.tolist())
    # Of class 0 there is one individual, of the others there are six with two pictures each.
    group_N = torch.cat([torch.zeros(12, dtype=torch.long), torch.arange(12, 72) // 2])
    specimens = Specimens(
        ids=split.images.ids,
        named=named,
        vectors={"image": split.images.vectors_ND},
        present={"image": torch.ones(72, dtype=torch.bool)},
        taxon_NR=torch.tensor([one.taxon.rank_keys for one in named]),
        group_N=group_N,
    )
    twins = noisy(6, 12, spread=0.4)
    twins[13::2] = twins[12::2]  # the own individual would always be right
    grouped = replace(split, specimens=specimens, images=replace(split.images, vectors_ND=twins))
    metrics = run(Knn(ks=[1], bootstrap=0), grouped).metrics
    assert metrics["knn/test/k1/left_out"] == 12
    assert metrics["knn/test/k1/top1/n"] == 60
    assert (
        metrics["knn/test/k1/top1"]
        < run(Knn(ks=[1], bootstrap=0), replace(grouped, specimens=None)).metrics["knn/test/k1/top1"]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ks": [0]}, "must be numbers from 1 up"),
        ({"temperature": 0}, "above 0"),
        ({"vote": "softmx"}, "did you mean 'softmax'"),
        ({"modality": "text"}, "modality has no choice 'text'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ClipbioError, match=message):
        Knn(**settings)


def test_without_keys_there_is_a_word(split, caplog):
    assert run(Knn(keys="train"), split).metrics == {}
    assert "has no split train to take neighbours from" in caplog.text
