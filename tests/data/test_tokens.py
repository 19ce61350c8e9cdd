"""Remembered tokens equal fresh ones, and what is remembered is bounded."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.inputs import TextInput
from clipbio.data.tokens import TokenCache

TEXTS = st.lists(st.text(st.sampled_from("abc "), max_size=3), max_size=12)


class Letters:
    """Tokens of single letters; counts the texts that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        self.asked += texts
        rows = [[ord(letter) for letter in text.ljust(4)] for text in texts]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)


@given(st.lists(TEXTS, max_size=6), st.sampled_from([0, 700, 2**20]))
def test_remembered_tokens_equal_fresh_ones(batches: list[list[str]], max_bytes: int) -> None:
    letters = Letters()
    cache = TokenCache(letters, max_bytes=max_bytes)
    for texts in batches:
        found = cache(texts)
        assert found.dtype == torch.int64
        assert torch.equal(found, Letters()(texts))
        assert cache.bytes <= max_bytes
    if max_bytes == 2**20:
        assert sorted(letters.asked) == sorted({text for texts in batches for text in texts})


def test_the_texts_asked_for_last_stay() -> None:
    letters = Letters()
    cache = TokenCache(letters, max_bytes=1000)
    for text in ("a", "b", "a", "c", "a", "d"):
        cache([text])
    assert letters.asked == ["a", "b", "c", "d"]
    assert 2 <= len(cache) < 4
    cache(["a"])
    assert letters.asked.count("a") == 1
    cache(["b"])
    assert letters.asked.count("b") == 2


def test_a_changed_batch_does_not_change_what_is_remembered() -> None:
    cache = TokenCache(Letters())
    for _ in range(2):
        tokens = cache(["ab", "c"])
        assert torch.equal(tokens, Letters()(["ab", "c"]))
        tokens.zero_()


def test_a_copy_for_a_worker_is_empty() -> None:
    cache = TokenCache(Letters())
    cache(["a", "b"])
    copy = pickle.loads(pickle.dumps(cache))
    assert (len(cache), len(copy), copy.bytes) == (2, 0, 0)
    assert torch.equal(copy(["b"]), cache(["b"]))


def test_the_text_input_asks_for_a_text_once() -> None:
    letters = Letters()
    text = TextInput(letters)
    np.testing.assert_array_equal(text(["a", "b", "a"]), text(["a", "b", "a"]))
    assert letters.asked == ["a", "b"]
