"""How often each specimen stands in an epoch: as it is, or evened out over the species of a long tail."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from clipbio.data.index import ShardIndex
from clipbio.seeding import rng

__all__ = ["SAMPLING", "classes_of", "sample_rows"]

IntArray = npt.NDArray[np.int64]

SAMPLING = {"uniform": 1.0, "sqrt": 0.5, "balanced": 0.0}
"""The power of its number of specimens to which the share of a class is proportional."""


def classes_of(index: ShardIndex, rows: Iterable[int]) -> IntArray:
    """Number the classes of some rows: the deepest taxon, or the label of a specimen without any rank."""
    keys = [
        str(int(index.taxon_N[row])) if any(index.taxa[int(index.taxon_N[row])].ranks) else f"label {index.labels[row]}"
        for row in rows
    ]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def sample_rows(class_N: IntArray, *, sampling: str, seed: int, epoch: int) -> IntArray:
    """Return as many rows as there are, drawn so that each class has its share of them.

    Systematic resampling: one random offset for the whole epoch, so that a class stands there as often as its share
    says, rounded up or down. Inside a class the turns go round evenly, from another row on in each epoch.

    Args:
        class_N: Class of each row.
        sampling: Key of `SAMPLING`.
        seed: Seed of the stream.
        epoch: Number of the epoch, from 0.
    """
    draw = rng("sampling", seed, epoch)
    order = np.lexsort((draw.random(len(class_N)), class_N))
    counts = np.bincount(class_N)
    weight_N = counts.astype(np.float64)[class_N[order]] ** (SAMPLING[sampling] - 1.0)
    ends = np.cumsum(weight_N) * (len(class_N) / weight_N.sum())
    # No place lies behind the last row, whatever was rounded.
    ends[-1] = np.inf
    places = np.arange(len(class_N)) + draw.random()
    return order[np.searchsorted(ends, places, side="right")].astype(np.int64)
