import logging

import numpy as np
import pytest
import scipy.stats
import torch
from annotated_worlds import Noted, no_text, noted_split
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, cross_val_score
from sklearn.model_selection import StratifiedKFold as Folds
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from clipbio.errors import ClipbioError
from clipbio.evaluation import newt_probes
from clipbio.evaluation.newt import Newt
from clipbio.evaluation.newt_probes import chosen_probe, svm_search
from clipbio.seeding import derive_seed

DIM = 24
TASKS = {"age": ("appearance", 1.2), "sex": ("appearance", 0.0), "snow": ("context", 3.0)}


def task_images(split: str, sizes: dict[str, int], seed: int = 0):
    """Half of the images of a task lie further along a direction of its own, by its strength."""
    generator = torch.Generator().manual_seed(derive_seed(split, seed) % 2**31)
    named, vectors = [], []
    for number, (task, (cluster, strength)) in enumerate(TASKS.items()):
        for row in range(sizes.get(task, 0)):
            vector = torch.randn(DIM, generator=generator)
            vector[number] += strength * (1 if row % 2 else -1)
            vectors.append(vector)
            # Some tables hold numbers, some text.
            answer = row % 2 if split == "train" else str(row % 2)
            named.append(Noted({"newt_task": task, "newt_cluster": cluster, "newt_label": answer}))
    return torch.stack(vectors), named


@pytest.fixture(scope="module")
def world():
    sizes = {"train": {"age": 40, "sex": 40, "snow": 30}, "test": {"age": 60, "sex": 50, "snow": 20}}
    return {split: noted_split(split, *task_images(split, one)) for split, one in sizes.items()}


def arrays(world, task):
    """Return train vectors, train labels, test vectors, test labels of a task."""
    found = []
    for data in world.values():
        rows = [row for row, one in enumerate(data.specimens.named) if one.metadata["newt_task"] == task]
        found.append(data.specimens.vectors["image"][rows].numpy())
        found.append(np.array([str(data.specimens.named[row].metadata["newt_label"]) for row in rows]))
    return found


def test_figures_are_those_of_scikit_learn_task_by_task(world):
    result = Newt(bootstrap=50).run_across(world, ("train", "test"), no_text)
    right = {}
    for task in TASKS:
        train, label, test, wanted = arrays(world, task)
        folds = Folds(5, shuffle=True, random_state=derive_seed("newt", task, 0) % 2**32)
        models = [
            make_pipeline(StandardScaler(), LogisticRegression(C=C / DIM, max_iter=1000, tol=1e-5))
            for C in (0.1, 1, 10, 100, 1000)
        ]
        scores = [cross_val_score(model, train, label, cv=folds).mean() for model in models]
        right[task] = models[int(np.argmax(scores))].fit(train, label).predict(test) == wanted
    metrics, path = result.metrics, "newt/test"
    assert metrics[f"{path}/all/accuracy"] == pytest.approx(np.concatenate(list(right.values())).mean())
    assert metrics[f"{path}/all/macro_accuracy"] == pytest.approx(np.mean([one.mean() for one in right.values()]))
    assert metrics[f"{path}/context/accuracy"] == pytest.approx(right["snow"].mean())
    assert metrics[f"{path}/appearance/accuracy"] == pytest.approx(np.concatenate([right["age"], right["sex"]]).mean())
    assert right["snow"].mean() > 0.8 > right["sex"].mean()
    assert [metrics[f"{path}/all/{one}"] for one in ("accuracy/n", "macro_accuracy/n", "tasks")] == [130, 3, 3]
    assert metrics[f"{path}/all/accuracy/chance"] == 0.5
    for key in ("all/accuracy", "all/macro_accuracy", "context/accuracy"):
        assert metrics[f"{path}/{key}/low"] <= metrics[f"{path}/{key}"] <= metrics[f"{path}/{key}/high"]


def test_answers_and_details_stand_behind_the_figures(world):
    result = Newt(bootstrap=0).run_across(world, ("test",), no_text)
    for one in result.answers:
        assert one.value_N.mean() == pytest.approx(result.metrics[one.key])
    everything = next(one for one in result.answers if one.variant == "all")
    assert set(everything.species) == set(TASKS)
    assert len(set(everything.ids)) == 130
    detail = result.details[0]
    assert [task.name for task in detail.tasks] == sorted(TASKS)
    assert detail.accuracy_T.mean() == pytest.approx(result.metrics["newt/test/all/macro_accuracy"])


def test_the_published_search_is_that_of_scikit_learn(world, monkeypatch):
    monkeypatch.setattr(newt_probes, "DRAWS", 12)
    for task, seed in (("age", 0), ("snow", 1)):
        train, label, test, _ = arrays(world, task)
        centred, asked = train - train.mean(axis=0), test - train.mean(axis=0)
        centred, asked = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (centred, asked))
        settings = {
            "svc__C": scipy.stats.loguniform(1e-3, 10),
            "svc__kernel": ["rbf", "linear", "sigmoid", "poly"],
            "svc__gamma": scipy.stats.loguniform(1e-4, 1e-3),
        }
        pipeline = make_pipeline(StandardScaler(), SVC())
        search = RandomizedSearchCV(pipeline, settings, n_iter=12, random_state=seed).fit(centred, label)
        assert svm_search(train, label, test, seed=seed).tolist() == search.predict(asked).tolist()


def test_the_published_form_is_the_mean_of_three_runs_under_its_own_name(world, monkeypatch):
    monkeypatch.setattr(newt_probes, "DRAWS", 4)
    metrics = Newt(protocol="bioclip_v2", bootstrap=0, seed=5).run_across(world, ("test",), no_text).metrics
    runs = []
    for seed in (5, 6, 7):
        answers = [(svm_search(*arrays(world, task)[:3], seed=seed), arrays(world, task)[3]) for task in TASKS]
        runs.append(np.concatenate([found == wanted for found, wanted in answers]).mean())
    assert metrics["newt_bioclip_v2/test/all/accuracy"] == pytest.approx(np.mean(runs))
    assert metrics["newt_bioclip_v2/test/all/std"] == pytest.approx(np.std(runs))


def test_tasks_that_cannot_be_learnt_and_images_without_a_task_are_told(world, caplog):
    vectors, named = task_images("test", {"age": 8, "sex": 6})
    named[0] = Noted()
    data = {"train": noted_split("train", *task_images("train", {"age": 10, "sex": 1})),
            "test": noted_split("test", vectors, named, absent=[1])}  # fmt: skip
    with caplog.at_level(logging.WARNING):
        metrics = Newt(bootstrap=0).run_across(data, ("test",), no_text).metrics
    assert "1 tasks of test are left out, for train does not have two answers to them: sex" in caplog.text
    assert metrics["newt/test/all/accuracy/n"] == 6
    assert metrics["newt/test/all/unlabelled"] == 1


def test_the_published_form_leaves_out_tasks_with_too_few_images_for_its_folds(world, caplog, monkeypatch):
    monkeypatch.setattr(newt_probes, "DRAWS", 2)
    data = {
        "train": noted_split("train", *task_images("train", {"age": 12, "sex": 9, "snow": 2})),
        "test": world["test"],
    }
    with caplog.at_level(logging.WARNING):
        metrics = Newt(protocol="bioclip_v2", bootstrap=0).run_across(data, ("test",), no_text).metrics
    assert metrics["newt_bioclip_v2/test/all/accuracy/n"] == 60
    assert "2 tasks of test are left out" in caplog.text
    assert "two answers to them on 5 images each: sex, snow" in caplog.text


def test_a_single_image_of_an_answer_is_enough():
    vectors = np.eye(4, dtype=np.float32)
    found = chosen_probe(vectors[:3], np.array(["a", "b", "b"]), vectors[:1], seed=0)
    assert found.tolist() == ["a"]


def test_what_is_missing_is_one_line(world):
    with pytest.raises(ClipbioError, match="train='trian' is none of the splits train, test; did you mean 'train'"):
        Newt(train="trian").run_across(world, ("test",), no_text)
    plain = noted_split("test", torch.eye(3), [Noted()] * 3)
    with pytest.raises(ClipbioError, match="none of the 3 images of split 'test' has 'newt_task'"):
        Newt().run_across({"train": world["train"], "test": plain}, ("test",), no_text)
    with pytest.raises(ClipbioError, match="protocol has no choice"):
        Newt(protocol="bioclip_v1")
    assert Newt().needed(("test",), ("train", "test")) == ("train",)
