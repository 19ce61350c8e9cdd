"""What a picture may be: the taxa of a label set, or some of them, with their vectors.

Shape suffixes: C classes, D dimensions, R ranks, n pictures of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import closest
from clipbio.evaluation.top_k import class_tiles
from clipbio.labels import LabelSet
from clipbio.taxonomy import RANKS, Taxon, class_name

__all__ = ["ClassNames", "Classes", "similar"]

_ROWS_AT_ONCE = 8192


class ClassNames(NamedTuple):
    """What a class is called."""

    taxon: Taxon
    label: str
    common_name: str

    @property
    def own(self) -> str:
        """Name the class: its binomial, else its label, else its deepest taxon."""
        return class_name(self.taxon, self.label)


@dataclass(frozen=True)
class Classes:
    """Classes in the order of their label set.

    `taxa` has a row per class: seven ranks, common_name, label, text. `vectors_CD` are float32 unit vectors.
    """

    taxa: pa.Table
    vectors_CD: Tensor

    @classmethod
    def of(cls, labels: LabelSet, rows_C: Tensor | None = None) -> Classes:
        """Take a label set, or some rows of it.

        Vectors that are stored as float32 stay on the disk until they are read; others are brought into memory.
        """
        if rows_C is not None:
            # Sorted rows of a memory-mapped file, so that nothing else of it is read.
            vectors_CD = torch.from_numpy(np.array(labels.vectors_CD[rows_C.numpy()], dtype=np.float32))
            return cls(labels.taxa.take(pa.array(rows_C.numpy())), functional.normalize(vectors_CD, dim=-1))
        if labels.vectors_CD.dtype == np.float32:
            return cls(labels.taxa, torch.from_numpy(labels.vectors_CD))
        return cls(labels.taxa, torch.cat(list(labels.chunks())))

    def __len__(self) -> int:
        return len(self.vectors_CD)

    def to(self, device: torch.device) -> Classes:
        """Return the classes with their vectors on a device."""
        return Classes(self.taxa, self.vectors_CD.to(device))

    def names(self, row: int) -> ClassNames:
        """Return what a class is called."""
        return next(_named(self.taxa.slice(row, 1)))

    def all_names(self) -> Iterator[ClassNames]:
        """Yield what each class is called, in their order."""
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield from _named(self.taxa.slice(start, _ROWS_AT_ONCE))

    @cached_property
    def taxon_CR(self) -> Tensor:
        """Return the lineage keys of each class (`Taxon.rank_keys`), -1 where a rank is not known."""
        keys = [names.taxon.rank_keys for names in self.all_names()]
        return torch.tensor(keys, dtype=torch.long).reshape(len(keys), len(RANKS))

    def scores(self, images_nD: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the first class and the cosines (n, c) of some classes with pictures, until all have come."""
        for first, tile_cD in class_tiles(self.vectors_CD, images_nD):
            yield first, images_nD @ tile_cD.T

    def probabilities(self, images_nD: Tensor, scale: float) -> Tensor:
        """Return the softmax (n, C) of `scale` times the cosines."""
        scores_nC = images_nD.new_empty(len(images_nD), len(self))
        for first, scores_nc in self.scores(images_nD):
            scores_nC[:, first : first + scores_nc.shape[1]] = scores_nc
        return torch.softmax(scores_nC.mul_(scale), dim=1)


def _named(table: pa.Table) -> Iterator[ClassNames]:
    columns = [[cell or "" for cell in table[name].to_pylist()] for name in (*RANKS, "label", "common_name")]
    for *ranks, label, common_name in zip(*columns, strict=True):
        yield ClassNames(Taxon(*ranks), label, common_name)


def similar(name: str, known: Iterable[str]) -> str:
    """Return a hint at the closest of very many names: of those that begin with the same letter."""
    return closest(name, {one for one in known if one[:1] == name[:1]})
