"""Specimens with a vector and a class, and the accuracy figures that few-shot, kNN and linear probe share.

Shape suffixes: N specimens, D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.key_query_forms import own_of
from clipbio.evaluation.metrics import bootstrap_interval
from clipbio.evaluation.paired import accuracy
from clipbio.seeding import derive_seed
from clipbio.taxonomy import stable_hash

__all__ = ["MODALITIES", "Labelled", "accuracy_figures"]

MODALITIES = ("image", "dna")

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """N specimens with unit vectors_ND (float32), the key of their class, the name of it, and their individual."""

    ids: tuple[str, ...]
    vectors_ND: Tensor
    key_N: IntArray
    name_N: tuple[str, ...]
    group_N: IntArray

    @classmethod
    def of(cls, data: SplitData, modality: str, benchmark: str) -> Labelled:
        """Take the specimens of a split that have the modality and a class.

        Raises:
            ClipbioError: Nothing of this modality was encoded.
        """
        pictured = data if modality == "image" else _with_dna(data, benchmark)
        images, items = pictured.images, pictured.classes.items
        class_N = images.class_N.tolist()
        groups = {}
        if data.specimens is not None:
            groups = dict(zip(data.specimens.ids, own_of(data.specimens).tolist(), strict=True))
        group = [groups[id_] if id_ in groups else stable_hash("specimen", id_) for id_ in images.ids]
        return cls(
            images.ids,
            functional.normalize(images.vectors_ND.float().cpu(), dim=1),
            np.array([items[place].key for place in class_N], np.int64),
            tuple(items[place].name for place in class_N),
            np.array(group, np.int64),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, mask_N: NDArray[np.bool_]) -> Labelled:
        """Return some of the specimens."""
        rows = np.flatnonzero(mask_N)
        ids, names = (tuple(one[row] for row in rows.tolist()) for one in (self.ids, self.name_N))
        return Labelled(ids, self.vectors_ND[torch.from_numpy(rows)], self.key_N[rows], names, self.group_N[rows])


def _with_dna(data: SplitData, benchmark: str) -> SplitData:
    specimens = data.specimens
    if specimens is None or "dna" not in specimens.vectors:
        raise ClipbioError(
            f"benchmark {benchmark}: no DNA was encoded on split '{data.split}'; take a model with a DNA tower and "
            "data with a column dna, or modality=image"
        )
    chosen = specimens.take(specimens.present["dna"])
    return SplitData.build(data.split, chosen.ids, vectors_ND=chosen.vectors["dna"], named=chosen.named)


def accuracy_figures(
    path: tuple[str, str, str],
    value_N: NDArray[Any],
    class_N: IntArray,
    *,
    chance: float,
    bootstrap: int,
    seed: int,
) -> Iterator[Figure]:
    """Yield `top1`, the mean over specimens, and `macro_top1`, the mean over classes.

    The interval of the former redraws specimens, its second one whole classes; that of the latter redraws classes.

    Args:
        path: Task, split and variant.
        value_N: One value per specimen, such as right or wrong.
        class_N: Their true classes, any numbers.
        chance: Accuracy of a guess.
        bootstrap: Resamples; 0 is no interval.
        seed: Seed of the benchmark.
    """
    mean, macro = "top1", "macro_top1"
    if not len(value_N):
        yield from (Figure(*path, metric, n=0) for metric in (mean, macro))
        return
    value_N = value_N.astype(np.float64)
    seeds = [derive_seed("bootstrap", *path, metric, seed) for metric in (mean, f"{mean}_species", macro)]
    interval = bootstrap_interval(value_N, seed=seeds[0], resamples=bootstrap) if bootstrap else None
    species = accuracy(value_N, unit_N=class_N, seed=seeds[1], resamples=bootstrap).interval
    value = float(value_N.mean())
    yield Figure.measured(
        path, mean, value=value, interval=interval, n=len(value_N), chance=chance, species_interval=species
    )
    number_N = np.unique(class_N, return_inverse=True)[1].reshape(-1)
    value_C = np.bincount(number_N, weights=value_N) / np.bincount(number_N)
    found = accuracy(value_C, seed=seeds[2], resamples=bootstrap)
    yield Figure.measured(path, macro, value=found.value, interval=found.interval, n=found.n, chance=chance)
