"""Discovery of categories: images of known and of new classes are clustered together.

Shape suffixes: N images, n unlabelled images, D dimensions, R runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.errors import ClipbioError
from clipbio.evaluation.annotated import Annotated, annotated_images, text_of
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import FloatArray, bootstrap_interval
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.evaluation.semi_supervised import matched, semi_supervised_kmeans
from clipbio.seeding import derive_seed
from clipbio.taxonomy import class_name

__all__ = ["Clustering"]

RUNS = 3
_PUBLISHED_ROUNDS = 10
_SETS = ("old", "new")

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Images:
    """Images with a class and its set; old classes have the first numbers."""

    ids: tuple[str, ...]
    species: tuple[str, ...]
    vectors_ND: torch.Tensor
    class_N: IntArray
    is_old_N: BoolArray
    left_out: int

    @property
    def classes(self) -> int:
        """Count the classes."""
        return int(self.class_N.max()) + 1

    @classmethod
    def of(cls, images: Annotated) -> Images:
        """Take the images that say to which class they belong and whether it is old.

        Raises:
            ClipbioError: There are none.
        """
        told = [(text_of(named, "class_set").lower(), class_name(named.taxon, named.label)) for named in images.named]
        rows = [row for row, (kind, name) in enumerate(told) if kind in _SETS and name]
        if not rows:
            raise ClipbioError(
                f"benchmark clustering: no image of split '{images.split}' has a class and 'class_set' old or new; the "
                f"first one, {images.ids[0]}, says '{told[0][0]}' and '{told[0][1]}': "
                "evaluate a data set that has them (docs/traits.md)"
            )
        classes = sorted({told[row] for row in rows}, key=lambda one: (_SETS.index(one[0]), one[1]))
        number = {one: place for place, one in enumerate(classes)}
        return cls(
            tuple(images.ids[row] for row in rows),
            tuple(told[row][1] for row in rows),
            images.vectors_ND[torch.tensor(rows)],
            np.array([number[told[row]] for row in rows], np.int64),
            np.array([told[row][0] == "old" for row in rows], bool),
            images.left_out + len(images) - len(rows),
        )


class Clustering:
    """Generalised category discovery by semi-supervised k-means, as on Herbarium 19 (Vaze et al. 2022).

    The metadata `class_set` say whether the class of a record is `old` or `new`. Most images of old classes are
    labelled; those that are not, and all of new classes, are to be clustered. The number of clusters is that of all
    classes. Clusters are matched to classes one to one, so that most images are right.

    The own form labels a share of every old class, starts several times, goes on until centres rest, and makes one
    match for all unlabelled images. With `protocol=bioclip_v2` labelled images are drawn from all old ones together,
    always with the same seed; there are one start, ten rounds and three runs, `seed` the first, and old and new images
    are matched apart. That is optimistic: one cluster may stand for an old and for a new class at once. Figures are
    then means over runs, and `std` is their standard deviation.

    Figures: `clustering/SPLIT/{all,old,new}/accuracy` of unlabelled images, with intervals over images; `clusters`,
    `labelled`, and `unlabelled` for images without a class or a set.

    Args:
        labelled: the share of old images that are labelled.
        iterations: rounds of k-means at most.
        inits: how often it starts.
        protocol: `clipbio`, or `bioclip_v2` as published.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the labelled images, of the starts and of the intervals.
    """

    PROTOCOLS = ("bioclip_v2",)

    def __init__(
        self,
        *,
        labelled: float = 0.8,
        iterations: int = 100,
        inits: int = 3,
        protocol: Literal["clipbio", "bioclip_v2"] = "clipbio",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("clustering", "protocol", [protocol], (OWN, *self.PROTOCOLS))
        if not 0 < labelled < 1:
            raise ClipbioError(f"benchmark clustering: labelled={labelled}; give a share between 0 and 1, such as 0.8")
        for name, value in (("iterations", iterations), ("inits", inits)):
            if value < 1:
                raise ClipbioError(f"benchmark clustering: {name}={value}; give a whole number from 1 up")
        self.labelled = labelled
        self.task = task_name("clustering", protocol)
        self.published = protocol != OWN
        self.iterations, self.inits = (_PUBLISHED_ROUNDS, 1) if self.published else (iterations, inits)
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Cluster the images of one split; texts are not asked for.

        Raises:
            ClipbioError: No image has a class and its set, or none is left to cluster.
        """
        del encode_text
        images = Images.of(annotated_images(data, "class_set", "clustering"))
        known_N = self._known(images)
        asked_N = known_N < 0
        if not asked_N.any():
            raise ClipbioError(
                f"benchmark clustering: all {len(images.ids)} images of split '{data.split}' would be labelled; give a "
                "lower share labelled="
            )
        class_n, is_old_n = images.class_N[asked_N], images.is_old_N[asked_N]
        right_Rn = np.array(
            [self._right(cluster_N[asked_N], class_n, is_old_n) for cluster_N in self._runs(images, known_N)]
        )
        path, asked = (self.task, data.split), np.flatnonzero(asked_N)
        figures: list[Figure] = []
        answers: list[Answers] = []
        for variant, chosen_n in (("all", is_old_n | True), ("old", is_old_n), ("new", ~is_old_n)):
            if chosen_n.any():
                figures += self._figures((*path, variant), right_Rn[:, chosen_n])
                ids, species = zip(*((images.ids[row], images.species[row]) for row in asked[chosen_n]), strict=True)
                answers.append(Answers(*path, variant, "accuracy", ids, right_Rn[:, chosen_n].mean(axis=0), species))
        counts = {"clusters": images.classes, "labelled": int((~asked_N).sum()), "unlabelled": images.left_out}
        figures += [Figure(*path, "all", name, value) for name, value in counts.items()]
        return Result(flatten(figures), (), tuple(answers))

    def _known(self, images: Images) -> IntArray:
        """Return the class of images that are labelled, -1 of others."""
        known_N = np.full(len(images.ids), -1)
        if self.published:
            old = np.flatnonzero(images.is_old_N)
            drawn = np.random.RandomState(0).choice(len(old), int(self.labelled * len(old)), replace=False)
            known_N[old[drawn]] = images.class_N[old[drawn]]
            return known_N
        members: dict[int, list[int]] = {}
        for row in sorted(range(len(known_N)), key=lambda row: derive_seed("clustering", self.seed, images.ids[row])):
            if images.is_old_N[row]:
                members.setdefault(int(images.class_N[row]), []).append(row)
        for number, rows in members.items():
            known_N[rows[: max(1, round(self.labelled * len(rows)))]] = number
        return known_N

    def _runs(self, images: Images, known_N: IntArray) -> Iterator[IntArray]:
        """Yield the cluster of each image in each run."""
        # Clusters of known classes come first, without gaps: the published draw may miss a class.
        pinned_N = np.full(len(known_N), -1)
        pinned_N[known_N >= 0] = np.unique(known_N[known_N >= 0], return_inverse=True)[1].reshape(-1)
        for run in range(RUNS if self.published else 1):
            yield semi_supervised_kmeans(
                images.vectors_ND,
                torch.from_numpy(pinned_N),
                images.classes,
                iterations=self.iterations,
                inits=self.inits,
                seed=self.seed + run,
            ).numpy()

    def _right(self, cluster_n: IntArray, class_n: IntArray, is_old_n: BoolArray) -> FloatArray:
        """Tell which unlabelled images lie in the cluster that stands for their class."""
        right_n = np.zeros(len(class_n))
        for rows_n in (is_old_n, ~is_old_n) if self.published else (is_old_n | True,):
            right_n[rows_n] = matched(cluster_n[rows_n], class_n[rows_n])
        return right_n

    def _figures(self, path: tuple[str, str, str], right_Rn: FloatArray) -> Iterator[Figure]:
        value_n, interval = right_Rn.mean(axis=0), None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, self.seed)
            interval = bootstrap_interval(value_n, seed=seed, resamples=self.bootstrap)
        value, n = float(value_n.mean()), len(value_n)
        yield Figure.measured(path, "accuracy", value=value, interval=interval, n=n)
        if self.published:
            yield Figure(*path, "std", float(right_Rn.mean(axis=1).std()))
