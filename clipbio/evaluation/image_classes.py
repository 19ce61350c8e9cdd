"""Specimens with an image as rows with numbered classes, and the DNA of each class.

Shape suffixes: N specimens, D dimensions, C classes, E DNA dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import Candidates, SplitData, class_key
from clipbio.evaluation.specimens import Specimens

__all__ = ["ImageClasses"]

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ImageClasses:
    """Specimens of several splits with image vectors and classes; classes are sorted by name.

    `rows` gives the rows of each split. `dna_CE` is the mean DNA vector of all specimens of a class that have one, in
    whatever of the splits.
    """

    ids: tuple[str, ...]
    image_ND: FloatArray
    class_N: IntArray
    barcodes: tuple[str, ...]
    rows: Mapping[str, IntArray]
    names: tuple[str, ...]
    dna_CE: FloatArray

    @classmethod
    def of(cls, data: Mapping[str, SplitData]) -> ImageClasses:
        """Join the specimens of splits; those without an image, a name or any DNA of their class are left out."""
        splits = {name: _specimens(one) for name, one in data.items()}
        classes = Candidates.from_named([thing for one in splits.values() for thing in one.named])
        keys = {name: _numbers(one, classes) for name, one in splits.items()}
        dna_CE, has_dna_C = _class_dna(list(splits.values()), list(keys.values()), len(classes))
        ids: list[str] = []
        barcodes: list[str] = []
        vectors, numbers, rows = [], [], {}
        for name, one in splits.items():
            kept = _kept(name, one, keys[name], has_dna_C)
            rows[name] = np.arange(len(ids), len(ids) + len(kept))
            ids += [one.ids[row] for row in kept]
            barcodes += [one.barcodes[row] if one.barcodes else "" for row in kept]
            vectors.append(one.vectors["image"].cpu().numpy()[kept].astype(np.float64))
            numbers.append(keys[name][kept])
        image_ND, class_N = np.concatenate(vectors), np.concatenate(numbers)
        return cls(tuple(ids), image_ND, class_N, tuple(barcodes), rows, classes.names, dna_CE)


def _specimens(data: SplitData) -> Specimens:
    if data.specimens is None or {"image", "dna"} - set(data.specimens.vectors):
        raise ClipbioError(
            f"benchmark bzsl: images and DNA were not both encoded on split '{data.split}'; take a model with both "
            "towers and data with a column dna"
        )
    return data.specimens


def _numbers(one: Specimens, classes: Candidates) -> IntArray:
    keys = [class_key(thing) for thing in one.named]
    return np.array([-1 if key is None else classes.index[key] for key in keys], np.int64)


def _class_dna(
    splits: Sequence[Specimens], numbers: Sequence[IntArray], count: int
) -> tuple[FloatArray, NDArray[np.bool_]]:
    dim = splits[0].vectors["dna"].shape[1]
    sum_CE, seen_C = np.zeros((count, dim)), np.zeros(count)
    for one, number_N in zip(splits, numbers, strict=True):
        there_N = one.present["dna"].cpu().numpy() & (number_N >= 0)
        np.add.at(sum_CE, number_N[there_N], one.vectors["dna"].cpu().numpy()[there_N].astype(np.float64))
        np.add.at(seen_C, number_N[there_N], 1)
    return sum_CE / np.maximum(seen_C, 1)[:, None], seen_C > 0


def _kept(name: str, one: Specimens, number_N: IntArray, has_dna_C: NDArray[np.bool_]) -> list[int]:
    pictured_N = one.present["image"].cpu().numpy() & (number_N >= 0)
    kept_N = pictured_N & has_dna_C[number_N]
    if lost := int(pictured_N.sum() - kept_N.sum()):
        logger.warning("benchmark bzsl: %d images of %s are of classes without any DNA and are left out", lost, name)
    rows: list[int] = np.flatnonzero(kept_N).tolist()
    return rows
