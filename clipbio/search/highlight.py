"""Where the words of a query stand in a text."""

from __future__ import annotations

from collections.abc import Sequence

from clipbio.search.tokens import Analyser, Token, analyser
from clipbio.search.words import Words

__all__ = ["highlight"]


def highlight(text: str, words: Words, language: str = "english") -> tuple[tuple[int, int], ...]:
    """Return the places (start, end) of the words that are sought, in order; neighbours become one place.

    Other forms of a word count too ("leaf" for "leaves"), stop words only within a quoted phrase.
    """
    taken = analyser(language)
    tokens = [token for word, _ in taken.words(text) for token in word]
    hits = _sought(text, words, taken)
    forms = [token.form for token in tokens]
    for phrase in map(taken.forms, words.phrases):
        for start in range(len(forms) - len(phrase) + 1):
            if forms[start : start + len(phrase)] == phrase:
                hits[start : start + len(phrase)] = [True] * len(phrase)
    return _joined(text, [token for token, hit in zip(tokens, hits, strict=True) if hit])


def _sought(text: str, words: Words, taken: Analyser) -> list[bool]:
    """Tell of each token whether it, or the hyphenated word that it is a part of, is sought."""
    wanted = set(taken.bag(words.positive))
    return [
        whole in wanted or (token.form in wanted and not token.is_stop_word)
        for tokens, whole in taken.words(text)
        for token in tokens
    ]


def _joined(text: str, tokens: Sequence[Token]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for token in tokens:
        if spans and not text[spans[-1][1] : token.start].strip(" -‐‑"):
            spans[-1] = (spans[-1][0], token.end)
        else:
            spans.append((token.start, token.end))
    return tuple(spans)
