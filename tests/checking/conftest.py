"""Checks without the tokenizer of CLIP, which takes seconds to load."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def words_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbio.checking.check.clip_tokens", lambda: lambda text: list(range(len(text.split()))))
