"""What decides the vectors of a split: the name under which they are kept."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from clipbio.data.datamodule import SpecimenData
from clipbio.data.shards import ShardIndex
from clipbio.data.splits import SplitRows
from clipbio.models import MultiTower

__all__ = ["identity_of"]

# To be raised when the same weights and data begin to give other vectors.
VERSION = 1


def identity_of(model: MultiTower, data: SpecimenData, split: SplitRows, *, normalised: bool = True) -> dict[str, Any]:
    """Return all that decides the vectors of a split, in plain JSON values; text plays no part in them."""
    inputs = {"image": data.evaluation_image, "dna": data.evaluation_dna}
    stores = {name: one.store for name, one in inputs.items() if one is not None}
    return {
        "version": VERSION,
        "weights": {name: model.tower(name).vector_fingerprint() for name in stores},
        "features": {name: str(store.dtype) for name, store in stores.items() if store is not None},
        "transform": None if data.evaluation_image is None else data.evaluation_image.transform.identity,
        "precision": torch.get_float32_matmul_precision(),
        "normalised": normalised,
        "data": data.folder.manifest.hash,
        # A split that was carved out of another one has rows of the same index, and shares its vectors.
        "split": split.index.split,
        "content": _content(split.index),
    }


def _content(index: ShardIndex) -> str:
    """Return a hash of the ids of an index and of its images and barcodes, which a manifest need not cover."""
    content = hashlib.sha256()
    for column in (index.ids, index.image_digests, index.dna_digests):
        for value in column:
            content.update(value.encode() if isinstance(value, str) else value)
            content.update(b"\0")
    return content.hexdigest()
