"""NeWT: many small questions about images of nature, each answered by a classifier of its own.

Shape suffixes: M train images, N test images, D dimensions, T tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.annotated import Annotated, LearntTask, annotated_images, learnt_from, text_of
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import FloatArray, Interval, bootstrap_interval, bootstrap_means, percentiles
from clipbio.evaluation.newt_probes import FOLDS, chosen_probe, svm_search
from clipbio.seeding import derive_seed

__all__ = ["Newt", "NewtDetail", "Task"]

logger = logging.getLogger(__name__)

RUNS = 3


@dataclass(frozen=True)
class Task:
    """One question: rows of train and test images with their labels."""

    name: str
    cluster: str
    train_M: NDArray[np.int64]
    test_N: NDArray[np.int64]
    label_M: NDArray[np.str_]
    label_N: NDArray[np.str_]


Judged = tuple[Task, FloatArray]
"""A task, and for each of its test images whether the answer is right, or how often over several runs."""


@dataclass(frozen=True)
class NewtDetail:
    """The share of right answers of every task of a split and what guessing reaches, for the report."""

    task: str
    split: str
    tasks: tuple[Task, ...]
    accuracy_T: FloatArray
    chance_T: FloatArray


class Newt(LearntTask):
    """Many tasks over one set of images, such as the 164 binary ones of NeWT (Van Horn et al. 2021).

    The metadata of a record name its task (`newt_task`), the cluster this belongs to (`newt_cluster`) and its answer
    (`newt_label`). Each task is learnt from its images in the split `train` and judged on those of another.

    The own form fits a logistic regression on standardised vectors; C is chosen by five folds of train. With
    `protocol=bioclip_v2` vectors are centred and normalised, an SVM is chosen among 100 random settings, and all is
    repeated with three seeds, `seed` the first (`newt_probes.svm_search`): accuracies are means over them, `std` is
    their standard deviation. It needs five train images of each answer.

    Figures under `newt/SPLIT/all` and `newt/SPLIT/CLUSTER`: `accuracy` over all images, as published, with an interval
    over images, and `macro_accuracy`, the mean over tasks (its `n`), images being redrawn within each. Tasks stand as
    species in the answers: intervals over species are those over redrawn tasks. `tasks` counts them, `unlabelled` the
    images that have no task.

    Args:
        train: the split that is learnt from.
        protocol: `clipbio`, or `bioclip_v2` as published.
        splits: the splits to judge; None is all that are evaluated but `train`.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of folds, of random settings and of intervals.
    """

    def __init__(
        self,
        *,
        train: str = "train",
        protocol: Literal["clipbio", "bioclip_v2"] = "clipbio",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__("newt", train=train, protocol=protocol, splits=splits, bootstrap=bootstrap, seed=seed)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Learn every task and judge it; texts are not asked for."""
        del encode_text
        train = annotated_images(learnt_from(data, self.train, "newt"), "newt_task", "newt")
        result = Result()
        for split in evaluated:
            if split != self.train:
                result += self._judge(train, annotated_images(data[split], "newt_task", "newt"))
        return result

    def _judge(self, train: Annotated, test: Annotated) -> Result:
        # The published search has five folds, and each of them needs both answers.
        tasks = _tasks(train, test, least=FOLDS if self.published else 1)
        if not tasks:
            logger.warning("newt: split %s has no task that could be learnt from %s", test.split, self.train)
            return Result()
        right_RT = [
            [self._right(task, train, test, run) for task in tasks] for run in range(RUNS if self.published else 1)
        ]
        judged = [(task, np.mean(runs, axis=0)) for task, *runs in zip(tasks, *right_RT, strict=True)]
        figures: list[Figure] = []
        answers: list[Answers] = []
        for cluster in ("all", *sorted({task.cluster for task in tasks} - {"all"})):
            path = (self.task, test.split, cluster)
            chosen = [one for one in judged if cluster in ("all", one[0].cluster)]
            figures += self._figures(path, chosen)
            answers.append(_answers(path, chosen, test))
        everything = (self.task, test.split, "all")
        if self.published:
            per_run = [float(np.concatenate(run).mean()) for run in right_RT]
            figures.append(Figure(*everything, "std", float(np.std(per_run))))
        figures.append(Figure(*everything, "unlabelled", test.left_out))
        accuracy_T = np.array([right_N.mean() for _, right_N in judged])
        detail = NewtDetail(self.task, test.split, tuple(tasks), accuracy_T, _chances(tasks))
        return Result(flatten(figures), (detail,), tuple(answers))

    def _right(self, task: Task, train: Annotated, test: Annotated, run: int) -> NDArray[np.float64]:
        """Return for each test image of a task whether its answer is right."""
        train_MD, test_ND = train.vectors_ND[task.train_M].numpy(), test.vectors_ND[task.test_N].numpy()
        if self.published:
            answer_N = svm_search(train_MD, task.label_M, test_ND, seed=self.seed + run)
        else:
            answer_N = chosen_probe(train_MD, task.label_M, test_ND, seed=derive_seed("newt", task.name, self.seed))
        return np.asarray(answer_N == task.label_N, np.float64)

    def _figures(self, path: tuple[str, str, str], judged: Sequence[Judged]) -> Iterator[Figure]:
        """Yield the accuracy over images and over tasks."""
        right_N = np.concatenate([one for _, one in judged])
        chance_T = _chances([task for task, _ in judged])
        sizes_T = np.array([len(one) for _, one in judged])
        interval = macro_interval = None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, self.seed)
            interval = bootstrap_interval(right_N, seed=seed, resamples=self.bootstrap)
            macro_interval = self._macro_interval(path, judged)
        chance = float((chance_T * sizes_T).sum() / sizes_T.sum())
        value, n = float(right_N.mean()), len(right_N)
        yield Figure.measured(path, "accuracy", value=value, interval=interval, n=n, chance=chance)
        macro, chance, n = float(np.mean([one.mean() for _, one in judged])), float(chance_T.mean()), len(judged)
        yield Figure.measured(path, "macro_accuracy", value=macro, interval=macro_interval, n=n, chance=chance)
        yield Figure(*path, "tasks", n)

    def _macro_interval(self, path: tuple[str, str, str], judged: Sequence[Judged]) -> Interval:
        """Return the interval of the mean over tasks, images being redrawn within each."""
        means = [
            bootstrap_means(one, seed=derive_seed("bootstrap", *path, task.name, self.seed), resamples=self.bootstrap)
            for task, one in judged
        ]
        return percentiles(np.mean(means, axis=0))


def _chances(tasks: Sequence[Task]) -> FloatArray:
    return np.array([1 / len(np.unique(task.label_M)) for task in tasks])


def _tasks(train: Annotated, test: Annotated, *, least: int) -> list[Task]:
    """Return the tasks of test images that can be learnt, by name: with `least` train images of each of two answers."""
    train_of, test_of = _rows_by_task(train), _rows_by_task(test)
    tasks, untaught = [], []
    for name in sorted(test_of):
        train_M, test_N = (np.array(rows.get(name, []), np.int64) for rows in (train_of, test_of))
        label_M, label_N = _labels(train, train_M), _labels(test, test_N)
        counts = np.unique(label_M, return_counts=True)[1]
        if len(counts) < 2 or counts.min() < least:
            untaught.append(name)
            continue
        cluster = text_of(test.named[test_N[0]], "newt_cluster").replace("/", "-") or "none"
        tasks.append(Task(name, cluster, train_M, test_N, label_M, label_N))
    if untaught:
        logger.warning(
            "newt: %d tasks of %s are left out, for %s does not have two answers to them%s: %s",
            len(untaught),
            test.split,
            train.split,
            f" on {least} images each" if least > 1 else "",
            ", ".join(untaught[:5]),
        )
    return tasks


def _rows_by_task(images: Annotated) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, named in enumerate(images.named):
        rows.setdefault(text_of(named, "newt_task"), []).append(row)
    return rows


def _labels(images: Annotated, rows_N: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([text_of(images.named[row], "newt_label") for row in rows_N], np.str_)


def _answers(path: tuple[str, str, str], judged: Sequence[Judged], test: Annotated) -> Answers:
    ids = tuple(test.ids[row] for task, _ in judged for row in task.test_N)
    names = tuple(task.name for task, _ in judged for _ in task.test_N)
    return Answers(*path, "accuracy", ids, np.concatenate([one for _, one in judged]), names)
