"""Vectors of texts on disk: no prompt of a benchmark is encoded twice by the same tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipbio.distributed import barrier, broadcast
from clipbio.features import FeatureStore, key_of
from clipbio.progress import progress_bar
from clipbio.training.encoder import TextEncoder

__all__ = ["StoredTexts"]

_TEXTS_AT_ONCE = 8192
# More are encoded again when they are wanted again: 450,000 taxa in 80 prompts of 768 numbers would fill 110 GB. Many
# taxa are kept as a label set, one vector each.
_MOST_TEXTS = 500_000


class StoredTexts:
    """Encode texts, those that were encoded before out of a folder named by the text tower and its projection.

    Half a million are kept at most for each tower.

    Every process must encode the same texts; each encodes its share of what is missing.

    Args:
        encoder: Encodes what is missing.
        folder: Parent of one folder per tower.
    """

    def __init__(self, encoder: TextEncoder, folder: Path) -> None:
        self.encoder = encoder
        self.folder = folder
        self._store: FeatureStore | None = None

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors (T, D) on the CPU; errors are those of the encoder."""
        tower = self.encoder.tower
        if tower is None or not texts:
            return self.encoder(texts)
        if self._store is None:
            name = f"text-{tower.vector_fingerprint()[:32]}"
            self._store = FeatureStore(self.folder / name, width=tower.dim(), dtype="float32")
        keys = [key_of(text) for text in texts]
        missing = self._store.missing(keys)
        # One answer for all: another run may be writing into the same store.
        missing, known = broadcast((missing, len(self._store) if missing else 0))
        if missing and known + len(missing) > _MOST_TEXTS:
            return self.encoder(texts)
        if missing:
            self._fill(self._store, missing, dict(zip(keys, texts)))
        return torch.from_numpy(self._store.get(keys))

    def _fill(self, store: FeatureStore, missing: list[bytes], texts: dict[bytes, str]) -> None:
        world = self.encoder.world
        # An encoder with cached features works together with those of the other processes.
        shared = self.encoder.store is not None
        own = missing if shared else missing[world.rank :: world.size]
        with progress_bar(enabled=world.is_main and len(own) > _TEXTS_AT_ONCE) as bar:
            task = bar.add_task("encode texts", total=len(own))
            for start in range(0, len(own), _TEXTS_AT_ONCE):
                piece = own[start : start + _TEXTS_AT_ONCE]
                vectors_TD = self.encoder([texts[key] for key in piece])
                if world.is_main or not shared:
                    store.put(piece, vectors_TD.numpy())
                bar.advance(task, len(piece))
        barrier()
        store.refresh()
