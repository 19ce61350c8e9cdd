"""Texts to unit vectors, each distinct text once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clipbio.data.caching import fill_texts
from clipbio.data.inputs import TextInput
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.features import FeatureStore, key_of
from clipbio.models import Tower

__all__ = ["TextEncoder"]

_TEXTS_PER_BATCH = 256


class TextEncoder:
    """Encode texts with a tower as it is now; a frozen trunk's features come from the cache.

    Args:
        tower: Text tower; None for a model without one, which is told when a text is to be encoded.
        text: How texts become inputs of training.
        store: Cache of the trunk's features; None where the trunk is trained.
        world: This process. With a cache, every process must encode the same texts.
        projection: Which of the tower's projections gives the vectors.
    """

    def __init__(
        self,
        tower: Tower | None,
        text: TextInput | None,
        store: FeatureStore | None,
        world: World,
        *,
        projection: str = "default",
    ) -> None:
        self.tower = tower
        self.text = text
        self.store = store
        self.world = world
        self.projection = projection
        self._tokens = None if text is None else TextInput(text.tokenizer)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors (T, D) on the CPU.

        Raises:
            ClipbioError: The model has no text tower.
        """
        tower, _ = self._parts()
        distinct = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(distinct)}
        was_training = tower.training
        tower.eval()
        vectors_UD = torch.cat([self._encode(piece) for piece in _pieces(distinct, self.store)])
        tower.train(was_training)
        return vectors_UD[[place[text] for text in texts]]

    def _encode(self, texts: Sequence[str]) -> Tensor:
        tower, tokens = self._parts()
        if self.store is None:
            inputs = tokens(texts)
        else:
            fill_texts(tokens, self.store, texts, self.trunk_features, world=self.world, show=False)
            keys = [key_of(text) for text in texts]
            inputs = torch.from_numpy(np.asarray(self.store.get(keys), dtype=np.float32))
        vectors_TD: Tensor = tower(inputs.to(next(tower.parameters()).device), self.projection)
        return vectors_TD.cpu()

    def trunk_features(self, tokens_BL: Tensor) -> Tensor:
        """Return the trunk's output on the CPU."""
        tower, _ = self._parts()
        return tower.features(tokens_BL.to(next(tower.parameters()).device)).float().cpu()

    def _parts(self) -> tuple[Tower, TextInput]:
        if self.tower is None or self._tokens is None:
            raise ClipbioError("the model has no text tower: leave out benchmarks that compare with texts")
        return self.tower, self._tokens


def _pieces(texts: Sequence[str], store: FeatureStore | None) -> list[Sequence[str]]:
    """Cut for memory; with a cache everything is looked up at once."""
    size = len(texts) if store is not None else _TEXTS_PER_BATCH
    return [texts[start : start + size] for start in range(0, len(texts), max(size, 1))]
