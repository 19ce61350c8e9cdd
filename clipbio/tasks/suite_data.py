"""The data of a published set: its splits as they are, and how much they hold."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from clipbio.data.datamodule import SpecimenData
from clipbio.data.manifest import SPLITS
from clipbio.data.shards import ShardIndex
from clipbio.data.sources import Source
from clipbio.data.splits import IntArray, SplitRows, whole_split
from clipbio.data.streams import MAIN, Stream
from clipbio.taxonomy import stable_hash
from clipbio.text import TextRegime

__all__ = ["EVALUATION_SETTINGS", "SuiteData"]

EVALUATION_SETTINGS = (
    *("evaluation_batch_size", "num_workers", "worker_context", "decoder", "sheet_mask", "max_skipped_share"),
)
"""Settings of data that matter in evaluation, taken over from those of the run."""


class SuiteData(SpecimenData):
    """A published data set as it is: no split is carved out.

    Args:
        source: What reads it.
        cache_dir: Where it is prepared into shards.
        settings: Some of `EVALUATION_SETTINGS`.
    """

    def __init__(self, source: Source, *, cache_dir: str, **settings: Any) -> None:
        # Nothing is trained: the stream is there because data have one.
        streams = {MAIN: Stream(text=TextRegime({"label": 1.0}))}
        super().__init__(streams, cache_dir=cache_dir, batch_size=1, source=source, **settings)

    @cached_property
    def splits(self) -> dict[str, SplitRows]:
        """All splits as the source has them."""
        return {name: whole_split(self.folder, name) for name in SPLITS if self.folder.splits.get(name)}

    def counts(self, name: str) -> dict[str, int]:
        """Count images and classes of a split, classes as benchmarks tell them apart."""
        if name not in self.splits:
            return {"images": 0, "classes": 0}
        index = self.splits[name].index
        return {"images": sum(map(bool, index.image_digests)), "classes": len(np.unique(_class_keys(index)))}


def _class_keys(index: ShardIndex) -> IntArray:
    """Return the class of each row that has one: its species, else its label, else its deepest taxon."""
    deepest_T = [next((int(key) for key in reversed(taxon.rank_keys) if key >= 0), -1) for taxon in index.taxa]
    keys_N: IntArray = np.array(deepest_T or [-1], np.int64)[index.taxon_N]
    for row, label in enumerate(index.labels):
        if label and index.taxon_NR[row, -1] < 0:
            keys_N[row] = stable_hash("label", label)
    return keys_N[keys_N >= 0]
