"""Lengths of the texts, in words and in tokens, each distinct text once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clipbio.taxonomy import Taxon, stable_hash

__all__ = ["TEXT_KINDS", "TextLengths", "clip_tokens", "quantiles"]

TEXT_KINDS = ("description", "common_name", "scientific_name", "taxonomic")
_BOUNDS = 2  # tokens that mark start and end

Encode = Callable[[str], list[int]]


def clip_tokens() -> Encode:
    """Return what turns a text into the tokens of CLIP, without those of start and end. No model is made."""
    from open_clip.tokenizer import SimpleTokenizer  # late: it takes seconds

    encode: Encode = SimpleTokenizer().encode
    return encode


class TextLengths:
    """Lengths of the distinct texts of each kind.

    Args:
        max_texts: Number of texts of each kind that are kept until their tokens are counted; words are counted of all.
    """

    def __init__(self, max_texts: int) -> None:
        self._max_texts = max_texts
        self._seen: dict[str, set[int]] = {kind: set() for kind in TEXT_KINDS}
        self._words = {kind: array("i") for kind in TEXT_KINDS}
        self._texts: dict[str, list[str]] = {kind: [] for kind in TEXT_KINDS}
        self.tokens: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._seen.values()))

    def add(self, kind: str, text: str) -> None:
        """Count a text unless it came before."""
        key = stable_hash(text)
        if not text or key in self._seen[kind]:
            return
        self._seen[kind].add(key)
        self._words[kind].append(len(text.split()))
        if len(self._texts[kind]) < self._max_texts:
            self._texts[kind].append(text)

    def add_taxon(self, taxon: Taxon) -> None:
        """Count the two texts that a name gives: the binomial, and all its ranks."""
        self.add("scientific_name", taxon.scientific_name)
        self.add("taxonomic", " ".join(filter(None, taxon.ranks)))

    @property
    def kept(self) -> int:
        """Count the texts whose tokens are still to be counted."""
        return sum(map(len, self._texts.values()))

    def count_tokens(self, encode: Encode) -> Iterator[None]:
        """Count the tokens of the kept texts, one text at each step."""
        for kind, texts in self._texts.items():
            counts = array("i")
            for text in texts:
                counts.append(len(encode(text)) + _BOUNDS)
                yield
            self.tokens[kind] = np.array(counts, np.int64)

    def to_dict(self, context_length: int) -> dict[str, Any]:
        """Return for each kind that occurs the lengths, and how many texts have more than `context_length` tokens."""
        return {kind: self._of(kind, context_length) for kind in TEXT_KINDS if self._seen[kind]}

    def _of(self, kind: str, context_length: int) -> dict[str, Any]:
        found: dict[str, Any] = {"texts": len(self._seen[kind]), "words": quantiles(np.array(self._words[kind]))}
        tokens = self.tokens.get(kind)
        if tokens is not None and len(tokens):
            truncated = int((tokens > context_length).sum())
            longest = int(tokens.argmax())
            found |= {"tokens": quantiles(tokens), "tokenised": len(tokens), "truncated": truncated}
            found |= {"truncated_share": truncated / len(tokens), "longest": self._texts[kind][longest]}
        return found


def quantiles(values: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return minimum, some quantiles and maximum of numbers; nothing of none."""
    if not len(values):
        return {}
    points = {"min": 0, "q05": 5, "q25": 25, "median": 50, "q75": 75, "q95": 95, "max": 100}
    found = np.percentile(values, list(points.values()), method="inverted_cdf")
    return {name: float(value) for name, value in zip(points, found, strict=True)}
