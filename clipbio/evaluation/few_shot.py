"""Few-shot classification by SimpleShot: the nearest centroid of a few examples of each class.

Shape suffixes: N judged specimens, C classes, K shots, Q queries, F folds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.few_shot_draws import Draws, hashed_draws, published_draws, read_draws, written_draws
from clipbio.evaluation.few_shot_intervals import macro_interval, mean_interval
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.labelled import MODALITIES, Labelled
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.evaluation.simple_shot import simple_shot
from clipbio.seeding import derive_seed

__all__ = ["FewShot"]

logger = logging.getLogger(__name__)

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Judged:
    """Right answers of each specimen as counted per fold; `asked_FN` tells in which folds it was a query."""

    right_FN: NDArray[np.bool_]
    asked_FN: NDArray[np.bool_]
    classes: int

    @property
    def accuracy_F(self) -> FloatArray:
        return np.array(self.right_FN.sum(axis=1) / self.asked_FN.sum(axis=1), np.float64)

    @property
    def row_N(self) -> IntArray:
        """Number the specimens that were asked at all."""
        return np.flatnonzero(self.asked_FN.any(axis=0))

    @property
    def value_N(self) -> FloatArray:
        """Return right answers, scaled by the folds' sizes so that their mean is the mean accuracy of the folds."""
        rows = self.row_N
        weight_F = len(rows) / (len(self.asked_FN) * self.asked_FN.sum(axis=1))
        return np.array(weight_F @ self.right_FN[:, rows], np.float64)

    def value_C(self, class_N: IntArray) -> FloatArray:
        """Return the share of right answers of each class."""
        number_N = np.unique(class_N, return_inverse=True)[1].reshape(-1)
        rows = self.row_N
        right, asked = (one[:, rows].sum(axis=0) for one in (self.right_FN, self.asked_FN))
        return np.array(np.bincount(number_N, weights=right) / np.bincount(number_N, weights=asked), np.float64)


class FewShot:
    """SimpleShot with k examples of each class in several folds; all other specimens are queries.

    Figures under `few_shot/SPLIT/{k}_shot`: `mean` accuracy of the folds, with an interval over specimens and one over
    species; `macro`, the mean over classes, which are redrawn; every interval redraws the folds too; `std` of the
    folds' accuracies; `left_out_classes` and `left_out`, classes with too few specimens and the specimens of the split
    that were therefore not judged.

    Unlike the published form the own one normalises the centroids (see `simple_shot`), counts a tie as wrong, draws by
    hashes of the individuals, whatever the order of the data and whatever else is drawn, and never asks for another
    picture of an example's individual. A class takes part if it has k examples and at least one more individual to ask
    for, or with `support` k in the other split. The run keeps the examples of every fold as `few_shot/SPLIT.json`.

    `bioclip_v1` and `bioclip_v2` are the published code (Imageomics/bioclip 4ea3247 `few_shot.py`, bioclip-2 49e1cf5
    `classification.py`): see `published_draws` and `simple_shot`. Their draws are those of the published code if the
    split has the order of its table; `seed` only moves the intervals. There every class must have k specimens, else
    there is no figure; one with exactly k is a wrong answer to choose, and none of its specimens is asked. The
    published code draws from the judged split; with `support` examples are drawn there the same way and all is asked.

    Args:
        shots: numbers of examples of each class; with `bioclip_v1` their order matters.
        folds: how many draws.
        support: the split with the examples; None is the judged split itself.
        modality: `image` or `dna`.
        support_file: `few_shot/SPLIT.json` of another run or the folder of such files: take its examples.
        protocol: `clipbio`, `bioclip_v1` or `bioclip_v2`.
        splits: the splits to judge; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of draws and intervals.
    """

    PROTOCOLS = ("bioclip_v1", "bioclip_v2")

    def __init__(
        self,
        *,
        shots: Sequence[int] = (1, 5),
        folds: int = 5,
        support: str | None = None,
        modality: Literal["image", "dna"] = "image",
        support_file: str | None = None,
        protocol: str = OWN,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("few_shot", "modality", [modality], MODALITIES)
        check_choices("few_shot", "protocol", [protocol], (OWN, *self.PROTOCOLS))
        self.shots = tuple(dict.fromkeys(shots))
        if not self.shots or min(self.shots) < 1 or folds < 1:
            raise ClipbioError(f"benchmark few_shot: shots={list(shots)} and folds={folds} must be numbers from 1 up")
        self.folds = folds
        self.support = support
        self.modality = modality
        self.support_file = None if support_file is None else Path(support_file).expanduser()
        self.protocol = protocol
        self.task = task_name("few_shot", protocol)
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Ask for the split with the examples."""
        return (self.support,) if evaluated and self.support is not None and self.support in available else ()

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Judge each split."""
        del encode_text
        if self.support is not None and self.support not in data:
            logger.warning("benchmark few_shot: the data has no split %s to take examples from", self.support)
            return Result()
        result = Result()
        for split in evaluated:
            judged = Labelled.of(data[split], self.modality, "few_shot")
            own = self.support in (None, split)
            pool = judged if own else Labelled.of(data[str(self.support)], self.modality, "few_shot")
            # Of another split only the classes that are asked for are drawn: the others are no answers to choose.
            result += self._judge(split, judged, pool.take(np.isin(pool.key_N, judged.key_N)), own=own)
        return result

    def _judge(self, split: str, judged: Labelled, pool: Labelled, *, own: bool) -> Result:
        draws = self._draws(split, pool, own=own)
        result = Result()
        for k, folds in draws.items():
            found = self._answers(judged, pool, folds, own=own) if len(folds[0]) > 1 else None
            if found is None or not found.asked_FN.any(axis=1).all():
                logger.warning("benchmark few_shot: %s has no two classes for %d shots, or nothing to ask", split, k)
                continue
            result += self._result((self.task, split, f"{k}_shot"), judged, found)
        if short := [k for k in self.shots if k not in draws]:
            logger.warning(
                "benchmark few_shot: as in the published code %s has no figures for %s shots: a class has fewer "
                "specimens", split, short
            )  # fmt: skip
        facts = {"task": self.task, "split": split, "support": self.support or split, "seed": self.seed}
        return result + Result(files={f"{self.task}/{split}.json": written_draws(draws, pool, **facts)})

    def _draws(self, split: str, pool: Labelled, *, own: bool) -> Draws:
        if self.support_file is not None:
            file = self.support_file / f"{split}.json" if self.support_file.is_dir() else self.support_file
            return read_draws(file, pool, self.shots, self.folds)
        if self.protocol == OWN:
            return hashed_draws(pool, self.shots, self.folds, seed=self.seed, spare=int(own))
        return published_draws(pool.key_N, self.shots, self.folds, in_place=self.protocol == "bioclip_v1")

    def _answers(self, judged: Labelled, pool: Labelled, folds: Sequence[IntArray], *, own: bool) -> _Judged:
        """Return the answers of every fold."""
        shape = (len(folds), len(judged))
        right_FN, asked_FN = np.zeros(shape, bool), np.zeros(shape, bool)
        for fold, support_CK in enumerate(folds):
            key_C = pool.key_N[support_CK[:, 0]]
            asked_N = np.isin(judged.key_N, key_C)
            if self.protocol == OWN:
                asked_N &= ~np.isin(judged.group_N, pool.group_N[support_CK])
            elif own:
                asked_N[support_CK] = False
            query_Q = np.flatnonzero(asked_N)
            vectors_QD = judged.vectors_ND[torch.from_numpy(query_Q)]
            support_CKD = pool.vectors_ND[torch.from_numpy(support_CK)]
            place_Q = simple_shot(support_CKD, vectors_QD, renormalise=self.protocol == OWN).numpy()
            asked_FN[fold] = asked_N
            right_FN[fold, query_Q] = (place_Q >= 0) & (key_C[place_Q] == judged.key_N[query_Q])
        return _Judged(right_FN, asked_FN, len(folds[0]))

    def _result(self, path: tuple[str, str, str], judged: Labelled, found: _Judged) -> Result:
        rows, value_N = found.row_N, found.value_N
        figures = list(self._figures(path, judged, found))
        names, ids = (tuple(one[row] for row in rows.tolist()) for one in (judged.name_N, judged.ids))
        return Result(flatten(figures), answers=(Answers(*path, "mean", ids, value_N, names),))

    def _figures(self, path: tuple[str, str, str], judged: Labelled, found: _Judged) -> Iterator[Figure]:
        rows, accuracy_F = found.row_N, found.accuracy_F
        class_N = judged.key_N[rows]
        right_FN, asked_FN = found.right_FN[:, rows], found.asked_FN[:, rows]
        chance = 1 / found.classes

        def options(name: str) -> dict[str, int]:
            return {"seed": derive_seed("bootstrap", *path, name, self.seed), "resamples": self.bootstrap}

        mean = species = macro = None
        if self.bootstrap:
            mean = mean_interval(right_FN, asked_FN, None, **options("mean"))
            species = mean_interval(right_FN, asked_FN, class_N, **options("species"))
            macro = macro_interval(right_FN, asked_FN, class_N, **options("macro"))
        value, value_C = float(accuracy_F.mean()), found.value_C(class_N)
        yield Figure.measured(
            path, "mean", value=value, interval=mean, n=len(rows), chance=chance, species_interval=species
        )
        yield Figure.measured(path, "macro", value=float(value_C.mean()), interval=macro, n=len(value_C), chance=chance)
        yield Figure(*path, "std", float(accuracy_F.std()))
        left = ~np.isin(judged.key_N, class_N)
        yield Figure(*path, "left_out_classes", len(np.unique(judged.key_N[left])))
        yield Figure(*path, "left_out", int(left.sum()))
