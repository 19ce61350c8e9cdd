"""The linear probe as a task, beside scikit-learn used by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.linear_probe import LinearProbe
from clipbio.evaluation.probe import STRENGTHS


def noisy(classes: int, per_class: int, *, seed: int, spread: float = 0.4) -> torch.Tensor:
    centres = torch.eye(64)[:classes].repeat_interleave(per_class, dim=0)
    noise = torch.randn(classes * per_class, 64, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(centres + spread * noise + 0.3, dim=1)


@pytest.fixture
def splits(world: Any) -> dict[str, SplitData]:
    """Seven classes, of which train has six."""
    sizes = {"train": (6, 20), "val": (6, 8), "test": (7, 10)}
    found = {}
    for seed, (name, (classes, count)) in enumerate(sizes.items()):
        one = world(classes=classes, per_class=count).split(noisy(classes, count, seed=seed), name=name)
        found[name] = replace(one, images=replace(one.images, ids=tuple(f"{name}-{id_}" for id_ in one.images.ids)))
    return found


def run(benchmark: LinearProbe, splits: dict[str, SplitData], judged: tuple[str, ...] = ("test",)) -> Result:
    return benchmark.run_across(splits, judged, lambda texts: torch.zeros(len(texts), 1))


def by_hand(fit: SplitData, validation: SplitData, asked: SplitData) -> tuple[np.ndarray, float]:
    """Fit each strength from nothing in double precision; return scores of what is asked and the best C on validation."""
    vectors = {one.split: one.images.vectors_ND.double().numpy() for one in (fit, validation, asked)}
    mean = vectors[fit.split].mean(axis=0)
    scale = np.sqrt(((vectors[fit.split] - mean) ** 2).sum(axis=1).mean())
    inputs = {name: (one - mean) / scale for name, one in vectors.items()}
    class_N = {one.split: one.images.class_N.numpy() for one in (fit, validation)}
    models = [
        LogisticRegression(C=strength, max_iter=5000, tol=1e-9).fit(inputs[fit.split], class_N[fit.split])
        for strength in STRENGTHS
    ]
    accuracies = [model.score(inputs[validation.split], class_N[validation.split]) for model in models]
    best = models[int(np.argmax(accuracies))]
    return best.decision_function(inputs[asked.split]), best.C


def test_it_is_the_regression_by_hand_with_c_chosen_on_val(splits):
    scores, strength = by_hand(splits["train"], splits["val"], splits["test"])
    target = splits["test"].images.class_N.numpy()[:60]
    order = (-scores[:60]).argsort(axis=1)
    result = run(LinearProbe(bootstrap=200), splits)
    metrics = result.metrics
    assert metrics["linear_probe/test/all/C"] == strength
    right = order[:, 0] == target
    assert 0.3 < right.mean() < 1
    assert np.array_equal(result.answers[0].value_N, right)
    assert metrics["linear_probe/test/all/top1"] == pytest.approx(right.mean())
    assert metrics["linear_probe/test/all/top5"] == pytest.approx((order[:, :5] == target[:, None]).any(axis=1).mean())
    assert metrics["linear_probe/test/all/top1/low"] < right.mean() < metrics["linear_probe/test/all/top1/high"]
    # The class that train does not have is counted, not judged.
    assert metrics["linear_probe/test/all/left_out"] == 10
    assert metrics["linear_probe/test/all/top1/chance"] == pytest.approx(1 / 6)


def test_without_val_a_fifth_chooses_and_all_are_fitted(splits):
    without = {name: splits[name] for name in ("train", "test")}
    result = run(LinearProbe(bootstrap=0), without)
    strength = result.metrics["linear_probe/test/all/C"]
    # The final fit is on all examples with the C that was chosen.
    vectors, class_N = splits["train"].images.vectors_ND.double().numpy(), splits["train"].images.class_N.numpy()
    mean = vectors.mean(axis=0)
    scale = np.sqrt(((vectors - mean) ** 2).sum(axis=1).mean())
    model = LogisticRegression(C=strength, max_iter=5000, tol=1e-9).fit((vectors - mean) / scale, class_N)
    asked = splits["test"].images.vectors_ND.double().numpy()[:60]
    right = model.predict((asked - mean) / scale) == splits["test"].images.class_N.numpy()[:60]
    assert (result.answers[0].value_N == right).mean() > 0.96


def test_a_val_of_other_classes_does_not_choose(splits):
    half = splits["val"].images
    kept = half.class_N < 3
    poor = replace(half, ids=half.ids[:24], vectors_ND=half.vectors_ND[kept], class_N=half.class_N[kept])
    with_poor = run(LinearProbe(bootstrap=0), splits | {"val": replace(splits["val"], images=poor)}).metrics
    assert with_poor == run(LinearProbe(bootstrap=0), {name: splits[name] for name in ("train", "test")}).metrics


def test_few_examples_are_less_and_more_of_them_are_more(splits):
    metrics = run(LinearProbe(shots=[1, 8, "all"], bootstrap=0), splits).metrics
    one, eight, every = (metrics[f"linear_probe/test/{name}/top1"] for name in ("1_shot", "8_shot", "all"))
    assert 1 / 6 < one < eight <= every
    assert metrics["linear_probe/test/1_shot/C"] in STRENGTHS


def test_it_asks_for_train_and_val(splits, caplog):
    assert LinearProbe().needed(["test"], ["train", "val", "test"]) == ("train", "val")
    assert LinearProbe().needed(["train"], ["train", "val"]) == ()
    assert run(LinearProbe(), {"test": splits["test"]}).metrics == {}
    assert "it needs a split train and another one to judge" in caplog.text


def test_a_split_of_other_classes_has_no_figure(splits, caplog):
    images = splits["test"].images
    last = images.class_N == 6
    other = replace(images, ids=images.ids[60:], vectors_ND=images.vectors_ND[last], class_N=images.class_N[last])
    metrics = run(LinearProbe(bootstrap=0), splits | {"test": replace(splits["test"], images=other)}).metrics
    assert metrics["linear_probe/test/all/top1/n"] == 0
    assert "no class of test is among the examples" in caplog.text


def test_settings_that_mean_nothing_are_refused(splits):
    for shots in ([], [0], ["any"], [True]):
        with pytest.raises(ClipbioError, match="must be 'all' or numbers from 1 up"):
            LinearProbe(shots=shots)
    images = splits["train"].images
    single = replace(splits["train"], images=replace(images, class_N=torch.zeros_like(images.class_N)))
    with pytest.raises(ClipbioError, match="no two classes to tell apart"):
        run(LinearProbe(), splits | {"train": single})
