"""Find the phrases of a vocabulary among the words of a text, the longest first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from clipbio.traits.entries import Entry
from clipbio.traits.spelling import ELISION
from clipbio.traits.trait import Group
from clipbio.traits.vocabulary import Vocabulary, vocabulary

__all__ = ["Lexicon", "Word", "lexicon", "words_of"]

T = TypeVar("T")
_WORD = re.compile(rf"(?i:{ELISION})|[^\W\d_]+(?:['’][^\W\d_]+)*|[♂♀]+|\d+|[^\w\s]|_")
_HYPHENS = "-‐‑–"


@dataclass(frozen=True, slots=True)
class Word:
    """A word or mark of a text; `joined` tells that a hyphen ties it to the word before."""

    text: str
    start: int
    end: int
    joined: bool = False


def words_of(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """Return words and punctuation of `text[start:end]` in small letters; hyphens within compounds tie words."""
    found: list[Word] = []
    tie = -1
    for match in _WORD.finditer(text, start, len(text) if end is None else end):
        piece, at = match.group(), match.start()
        is_word = piece[0].isalpha()
        if piece in _HYPHENS and found and found[-1].end == at and found[-1].text[0].isalnum():
            tie = match.end()
            found.append(Word("-", at, tie))
            continue
        joined = tie == at and is_word and found[-1].text == "-"
        if joined:
            found.pop()
        found.append(Word(piece.lower().replace("’", "'").removesuffix("'s"), at, match.end(), joined))
    return found


class Lexicon:
    """The phrases of one vocabulary, by their first word."""

    def __init__(self, words: Vocabulary) -> None:
        self.vocabulary = words
        self._phrases = _by_first(words.entries)
        self._colours = _by_first(words.colours)
        self._shades = _by_first(words.shades)

    def phrase(self, words: Sequence[Word], at: int) -> tuple[Entry, int] | None:
        """Return the longest phrase that begins at word `at`, and how many words it has."""
        return _longest(self._phrases, words, at)

    def colour(self, words: Sequence[Word], at: int) -> tuple[str, int] | None:
        """Return the palette colour that the words from `at` on name, and how many they are."""
        return _longest(self._colours, words, at)

    def shade(self, words: Sequence[Word], at: int) -> tuple[str, int] | None:
        """Return `dark`, `pale` or `bright` where the words from `at` on say so, and how many they are."""
        return _longest(self._shades, words, at)


@cache
def lexicon(group: Group | None, language: str = "en", own: Path | None = None) -> Lexicon:
    """Return the lexicon of a group, with the words of a file where one is given."""
    return Lexicon(vocabulary(group, language, own))


def _by_first(entries: Mapping[tuple[str, ...], T]) -> dict[str, list[tuple[tuple[str, ...], T]]]:
    tree: dict[str, list[tuple[tuple[str, ...], T]]] = {}
    for phrase, entry in entries.items():
        tree.setdefault(phrase[0], []).append((phrase[1:], entry))
    for rests in tree.values():
        rests.sort(key=lambda pair: -len(pair[0]))
    return tree


def _longest(
    tree: Mapping[str, list[tuple[tuple[str, ...], T]]], words: Sequence[Word], at: int
) -> tuple[T, int] | None:
    for rest, entry in tree.get(words[at].text, ()):
        if all(at + n < len(words) and words[at + n].text == word for n, word in enumerate(rest, start=1)):
            return entry, len(rest) + 1
    return None
