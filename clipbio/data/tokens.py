"""Tokens of texts that come again and again, made once per process."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["TokenCache"]

MAX_BYTES = 8 * 2**20
_ENTRY_BYTES = 250  # what Python keeps around a text and its row

Row = npt.NDArray[np.int32]


class TokenCache:
    """A tokenizer that remembers; names of species and barcodes come back in every batch.

    The texts asked for last stay. Every process has a cache of its own: a copy sent to a worker is empty.

    Args:
        tokenizer: Gives int64 tokens (B, L), the same L and the same row for a text in every batch.
        max_bytes: Bound on what is kept.
    """

    def __init__(self, tokenizer: Callable[[Sequence[str]], Tensor], *, max_bytes: int = MAX_BYTES) -> None:
        self.tokenizer = tokenizer
        self.max_bytes = max_bytes
        self._forget()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return int64 tokens (B, L)."""
        if not texts:
            return self.tokenizer(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in self._rows]
        fresh: dict[str, Row] = {}
        if missing:
            # Copies, and of half the size: a row that is kept must not hold on to the batch it came with.
            tokens = self.tokenizer(missing).numpy()
            fresh = {text: row.astype(np.int32) for text, row in zip(missing, tokens, strict=True)}
        tokens_BL = np.stack([fresh[text] if text in fresh else self._known(text) for text in texts])
        for text, row in fresh.items():
            self._keep(text, row)
        return torch.from_numpy(tokens_BL.astype(np.int64))

    def __len__(self) -> int:
        """Count the texts that are kept."""
        return len(self._rows)

    @property
    def bytes(self) -> int:
        """Size of what is kept."""
        return self._bytes

    def __getstate__(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._bytes = 0

    def _known(self, text: str) -> Row:
        self._rows.move_to_end(text)
        return self._rows[text]

    def _keep(self, text: str, row: Row) -> None:
        self._rows[text] = row
        self._bytes += _size(text, row)
        while self._bytes > self.max_bytes:
            self._bytes -= _size(*self._rows.popitem(last=False))


def _size(text: str, row: Row) -> int:
    return sys.getsizeof(text) + row.nbytes + _ENTRY_BYTES
