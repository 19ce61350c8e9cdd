"""From a specimen to what a tower takes: pixels and tokens, or the cached output of a frozen trunk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from clipbio.data.tokens import TokenCache
from clipbio.data.transforms import ImageTransform
from clipbio.features import FeatureStore, key_of
from clipbio.seeding import rng

__all__ = ["ImageInput", "TextInput"]

Tokenizer = Callable[[Sequence[str]], Tensor]


@dataclass
class TextInput:
    """Tokens of texts, or their cached features.

    Args:
        tokenizer: Gives int64 tokens (B, L).
        store: Features of every text of the run; without it the trunk runs at each step.
    """

    tokenizer: Tokenizer
    store: FeatureStore | None = None
    _cached: TokenCache = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cached = TokenCache(self.tokenizer)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return features (B, F) or tokens (B, L)."""
        if self.store is None:
            return self._cached(list(texts))
        return _rows(self.store, [key_of(text) for text in texts])


@dataclass
class ImageInput:
    """Pixels of images, or their cached features.

    Args:
        transform: Decodes, crops and resizes.
        views: Number of cached augmented views; 0 means that augmentation, if any, is drawn anew each time.
        store: Features of every readable image of the run; without it the trunk runs at each step.
    """

    transform: ImageTransform
    views: int = 0
    store: FeatureStore | None = None

    def key(self, digest: bytes, seed: int | None) -> bytes:
        """Return the cache key of the view that belongs to a seed; without a seed, of the evaluation form."""
        return digest if seed is None or not self.views else self.view_key(digest, seed % self.views)

    def view_key(self, digest: bytes, view: int) -> bytes:
        """Return the cache key of a numbered view."""
        augmentation = self.transform.augmentation
        settings = repr((tuple(augmentation.scale), tuple(augmentation.ratio), augmentation.flip)).encode()
        if augmentation.vertical_flip or augmentation.rotation:
            settings += repr((augmentation.vertical_flip, augmentation.rotation)).encode()
        return hashlib.blake2b(digest + settings + view.to_bytes(4, "little"), digest_size=16).digest()

    def has(self, digest: bytes, seed: int | None) -> bool:
        """Tell whether the features of an image are cached."""
        return self.store is not None and self.key(digest, seed) in self.store

    def features(self, digests: Sequence[bytes], seeds: Sequence[int] | None) -> Tensor:
        """Return cached features (B, F)."""
        if self.store is None:
            raise ValueError("this input has no feature store")
        chosen = [None] * len(digests) if seeds is None else seeds
        return _rows(self.store, [self.key(digest, seed) for digest, seed in zip(digests, chosen, strict=True)])

    def pixels(self, image: bytes, digest: bytes, seed: int | None) -> Tensor:
        """Return uint8 pixels (3, height, width) of the view that belongs to a seed; without one, for evaluation."""
        if seed is None:
            return self.transform(image)
        if self.views:
            return self.view(image, digest, seed % self.views)
        return self.transform(image, rng("augmentation", seed))

    def view(self, image: bytes, digest: bytes, view: int) -> Tensor:
        """Return uint8 pixels of a numbered view: a function of the image alone, so that every run shares it."""
        return self.transform(image, rng("view", digest.hex(), view))


def _rows(store: FeatureStore, keys: Sequence[bytes]) -> Tensor:
    return torch.from_numpy(np.asarray(store.get(keys), dtype=np.float32))
