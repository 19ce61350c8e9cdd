"""From a specimen to what a tower takes: pixels and tokens, or the cached output of a frozen trunk.

What a specimen lacks is zeros, or the tokens of an empty text or barcode: no tower runs on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from clipbio.data.tokens import TokenCache
from clipbio.data.transforms import ImageTransform
from clipbio.dna import BarcodeAugmentation, BarcodeTokenizer, clean_barcode
from clipbio.features import FeatureStore, key_of
from clipbio.seeding import derive_seed, rng

__all__ = ["BarcodeInput", "ImageInput", "ModelInputs", "TextInput", "Tokenizer"]

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

    def __call__(self, texts: Sequence[str | None]) -> Tensor:
        """Return features (B, F) or tokens (B, L); None is a text that is not there."""
        if self.store is None:
            return self._cached([text or "" for text in texts])
        return _rows(self.store, [None if text is None else key_of(text) for text in texts])


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
        """Return cached features (B, F); an empty digest is an image that is not there."""
        if self.store is None:
            raise ValueError("this input has no feature store")
        chosen = [None] * len(digests) if seeds is None else seeds
        pairs = zip(digests, chosen, strict=True)
        return _rows(self.store, [self.key(digest, seed) if digest else None for digest, seed in pairs])

    def absent(self) -> Tensor:
        """Return what stands for an image that is not there: black pixels (3, height, width), or zero features (F,)."""
        if self.store is not None:
            return torch.zeros(self.store.width)
        return torch.zeros(3, *self.transform.spec.size, dtype=torch.uint8)

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


@dataclass
class BarcodeInput:
    """Tokens of barcodes, or their cached features.

    Args:
        tokenizer: Gives int64 tokens (B, L).
        augmentation: Changes the barcodes of training; None takes them as they are.
        store: Features of every barcode of the run; without it the trunk runs at each step.
    """

    tokenizer: BarcodeTokenizer
    augmentation: BarcodeAugmentation | None = None
    store: FeatureStore | None = None
    _cached: TokenCache = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cached = TokenCache(self.tokenizer)

    def has(self, barcode: str) -> bool:
        """Tell whether the features of a barcode are cached."""
        return self.store is not None and key_of(barcode) in self.store

    def seen(self, barcode: str, seed: int | None) -> str:
        """Return a barcode as a draw sees it, clean and augmented; without a seed, as evaluation does.

        Raises:
            BadBarcode: It is none.
            ValueError: Its features should be cached and are not.
        """
        if self.store is not None:
            if not self.has(barcode):
                raise ValueError("the barcode cannot be encoded")
            return barcode
        # Clean first: where a barcode begins with gaps that the tokenizer strips, an offset would strip nothing else.
        clean = clean_barcode(barcode, gaps=self.tokenizer.gaps)
        if seed is None or self.augmentation is None:
            return clean
        return self.augmentation(clean, derive_seed("barcode", seed))

    def __call__(self, barcodes: Sequence[str | None]) -> Tensor:
        """Return features (B, F) or tokens (B, L) of what `seen` gave; None is a barcode that is not there."""
        if self.store is not None:
            return _rows(self.store, [None if barcode is None else key_of(barcode) for barcode in barcodes])
        strings = [barcode or "" for barcode in barcodes]
        random = self.augmentation is not None and self.augmentation.random
        return self.tokenizer(strings) if random else self._cached(strings)

    def absent(self) -> Tensor:
        """Return what stands for a barcode that is not there: padding (L,), or zero features (F,)."""
        return self([None])[0]


@dataclass(frozen=True)
class ModelInputs:
    """How each modality becomes inputs, None where the model does not encode it."""

    image: ImageInput | None = None
    text: TextInput | None = None
    dna: BarcodeInput | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Name what the model encodes."""
        return tuple(name for name in ("image", "text", "dna") if getattr(self, name) is not None)


def _rows(store: FeatureStore, keys: Sequence[bytes | None]) -> Tensor:
    """Return the features of keys (B, F), zeros where there is none."""
    rows_BF = torch.zeros(len(keys), store.width)
    known = [place for place, key in enumerate(keys) if key is not None]
    found = store.get([key for key in keys if key is not None])
    rows_BF[known] = torch.from_numpy(np.asarray(found, dtype=np.float32))
    return rows_BF
