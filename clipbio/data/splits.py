"""The splits of a shard folder as rows of its index, with `val` carved out of `train` where the data has none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipbio.data.carving import carved
from clipbio.data.shards import ShardFolder, ShardIndex
from clipbio.errors import ClipbioError, nearest

__all__ = ["IntArray", "SplitRows", "common_species", "named_split", "splits_of", "whole_split", "without_pictures"]

log = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """The specimens of one split: some rows of an index."""

    name: str
    index: ShardIndex
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)


def splits_of(folder: ShardFolder, *, val_share: float, seed: int) -> dict[str, SplitRows]:
    """Return all splits that hold something.

    Args:
        folder: Prepared shards.
        val_share: Share of the train groups that becomes `val` where there is none, see `carved`.
        seed: Decides which groups.
    """
    found = {name: whole_split(folder, name) for name, samples in folder.splits.items() if samples}
    if "val" not in found and "train" in found:
        found |= _carve(found["train"], val_share, seed)
    return found


def named_split(splits: Mapping[str, SplitRows], name: str, folder: ShardFolder) -> SplitRows:
    """Return one of the splits of a folder, or tell which it has."""
    if name not in splits:
        raise ClipbioError(f"{folder.name} has no split '{name}'{nearest(name, splits)}")
    return splits[name]


def whole_split(folder: ShardFolder, name: str) -> SplitRows:
    """Return a split as the data has it."""
    index = folder.index(name)
    return SplitRows(name, index, np.arange(len(index.ids), dtype=np.int64))


def _carve(train: SplitRows, share: float, seed: int) -> dict[str, SplitRows]:
    """Part the rows of `train` into `train` and `val`."""
    val = carved(train.index, share, seed)
    if val is None:
        return {}
    log.info("no split 'val': %d of %d train specimens were carved out for it", val.sum(), len(val))
    return {
        "train": SplitRows("train", train.index, train.rows[~val]),
        "val": SplitRows("val", train.index, train.rows[val]),
    }


def common_species(split: SplitRows, others: Sequence[SplitRows]) -> int:
    """Count the species of a split that stand in one of the others too."""
    if not others:
        return 0
    own, theirs = (
        np.concatenate([part.index.taxon_NR[part.rows, -1] for part in parts]) for parts in ([split], others)
    )
    return int((np.intersect1d(own, theirs) >= 0).sum())


def without_pictures(split: SplitRows, others: Iterable[SplitRows]) -> SplitRows:
    """Leave out the specimens whose picture, byte for byte, stands in one of the other splits."""
    known = {digest for other in others for row in other.rows if (digest := other.index.image_digests[row])}
    kept = np.array([split.index.image_digests[row] not in known for row in split.rows], dtype=bool)
    return SplitRows(split.name, split.index, split.rows[kept])
