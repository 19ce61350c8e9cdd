"""Texts as words that can be compared: folded, stemmed, and with their places."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from clipbio.search.languages import Language, fold, language

__all__ = ["Analyser", "Token", "analyser"]

# A letter and the accents written after it.
_LETTER = r"[^\W\d_][\u0300-\u036f]*"
_PART = re.compile(rf"\d+(?:[.,]\d+)*|(?:{_LETTER})+")
_WORD = re.compile(rf"(?:{_PART.pattern})(?:[-‐‑'’]?(?:{_PART.pattern}))*")
_HYPHEN = re.compile("[-‐‑]")
# A mark ends a run of words that belong together.
_SCAN = re.compile(rf"(?P<mark>[.,;:!?…()\[\]\n•|—。，；])|{_WORD.pattern}")
# A server meets ever new words in queries.
_MOST_WORDS = 1_000_000


class Token(NamedTuple):
    """A word of a text: its form for comparison, its place, and whether a comma or the like stands before it."""

    form: str
    start: int
    end: int
    is_after_break: bool
    is_stop_word: bool


class _Word(NamedTuple):
    """A word as it is written: form, place and whether it is a stop word of each part; the form of the whole."""

    parts: tuple[tuple[str, int, int, bool], ...]
    whole: str


class Analyser:
    """Takes texts of one language apart; may be used by several threads at once."""

    def __init__(self, of: Language) -> None:
        self.language = of
        self._lock = threading.Lock()
        self._known: dict[str, _Word] = {}

    def words(self, text: str) -> Iterator[tuple[list[Token], str]]:
        """Yield the tokens of each word, and the form of the whole word if it has hyphens."""
        is_after_break = False
        for found in _SCAN.finditer(text):
            if found.lastgroup:
                is_after_break = True
                continue
            word, begin = self._word(found.group()), found.start()
            tokens = []
            for form, start, end, is_stop_word in word.parts:
                tokens.append(Token(form, begin + start, begin + end, is_after_break, is_stop_word))
                is_after_break = False
            yield tokens, word.whole

    def sequence(self, text: str) -> list[Token]:
        """Return the words of a text in order; those with a hyphen as their parts, single letters not at all."""
        return [token for tokens, _ in self.words(text) for token in tokens]

    def bag(self, text: str) -> list[str]:
        """Return the forms that are counted: without stop words, and with hyphenated words as parts and as a whole."""
        forms = []
        for tokens, whole in self.words(text):
            forms += [token.form for token in tokens if not token.is_stop_word]
            forms += [whole] if whole else []
        return forms

    def forms(self, text: str) -> list[str]:
        """Return the forms of the words of a text in order."""
        return [token.form for token in self.sequence(text)]

    @cached_property
    def negators(self) -> frozenset[str]:
        """The forms of what negates in a description."""
        return frozenset(self._form(word) for word in self.language.negators | self.language.more_negators)

    @cached_property
    def joiners(self) -> frozenset[str]:
        """The forms of what ends a negation."""
        return frozenset(self._form(word) for word in self.language.joiners)

    def _word(self, text: str) -> _Word:
        word = self._known.get(text)
        if word is None:
            if len(self._known) > _MOST_WORDS:
                self._known = {}
            word = self._known[text] = self._taken_apart(text)
        return word

    def _taken_apart(self, text: str) -> _Word:
        found = [(fold(part.group()), part.start(), part.end()) for part in _PART.finditer(text)]
        parts = [
            (self._form(folded), start, end, folded in self._stop_words)
            for folded, start, end in found
            if folded and not (len(folded) == 1 and "a" <= folded <= "z")
        ]
        is_number = all(folded[:1].isdigit() for folded, *_ in found)
        is_whole = parts and not is_number and _HYPHEN.search(text)
        return _Word(tuple(parts), self._form("".join(folded for folded, *_ in found)) if is_whole else "")

    def _form(self, folded: str) -> str:
        return self._stem(self.language.same.get(folded, folded))

    def _stem(self, word: str) -> str:
        if self._stemmer is None:
            return word
        with self._lock:
            stem = str(self._stemmer.stemWord(word))
        # Without its accent the ending of "dentée" is taken for another one.
        return (stem.removesuffix("e") or stem) if self.language.name == "french" else stem

    @cached_property
    def _stemmer(self) -> Any:
        import Stemmer

        return Stemmer.Stemmer(self.language.name) if self.language.name in Stemmer.algorithms() else None

    @cached_property
    def _stop_words(self) -> frozenset[str]:
        from bm25s import stopwords

        name = "EN" if self.language.name == "english" else self.language.name.upper()
        return frozenset(fold(word) for word in getattr(stopwords, f"STOPWORDS_{name}", ()))


@lru_cache(maxsize=16)
def analyser(name: str) -> Analyser:
    """Return the analyser of a language, by its name or code."""
    return Analyser(language(name))
