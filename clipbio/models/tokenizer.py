"""Text to tokens: one picklable callable, whatever library does the work."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["Tokenizer"]

# Case, punctuation, accents, ranks, long words and a long text: tokenizers that agree on these are the same one.
_PROBES = (
    "a photo of Pica hudsonia.",
    "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia",
    "Feuilles opposées, ovées-lancéolées; 3.5–12 cm × 2 cm!!",
    "植物標本 ÆØÅ ß ñ \u00a0 <b>_tag_</b> 0123456789",
    "Pseudotsuga menziesii var. glauca (Mayr) Franco " * 200,
    "",
)


class Tokenizer:
    """Turn texts into tokens_BL, padded or cut to `context_length`.

    `encode(texts, context_length)` is the library's own callable; it must be picklable for DataLoader workers.
    """

    def __init__(self, encode: Callable[[list[str], int], Tensor], *, context_length: int, pad_id: int) -> None:
        self._encode = encode
        self.context_length = context_length
        self.pad_id = pad_id

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return int64 tokens_BL."""
        if not texts:
            return torch.empty(0, self.context_length, dtype=torch.long)
        return self._encode(list(texts), self.context_length).long()

    @property
    def library(self) -> object:
        """Return the library's own callable."""
        return self._encode

    @functools.cached_property
    def identity(self) -> str:
        """Tell tokenizers apart by what they do: a hash of the tokens they make of a few texts."""
        tokens = self(_PROBES).contiguous().numpy().tobytes()
        return hashlib.sha256(f"{self.context_length}|{self.pad_id}|".encode() + tokens).hexdigest()
