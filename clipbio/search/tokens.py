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
# What ends a run of words that belong together.
_BREAK = re.compile(r"[.,;:!?…()\[\]\n•|—。，；]")

# A server meets ever new words in queries.
_MOST_FORMS = 1_000_000


class Token(NamedTuple):
    """A word of a text: its form for comparison, its place, and whether a comma or the like stands before it."""

    form: str
    start: int
    end: int
    is_after_break: bool
    is_stop_word: bool


class Analyser:
    """Takes texts of one language apart; may be used by several threads at once."""

    def __init__(self, of: Language) -> None:
        self.language = of
        self._lock = threading.Lock()
        self._forms: dict[str, str] = {}

    def words(self, text: str) -> Iterator[tuple[list[Token], str]]:
        """Yield the tokens of each word, and the form of the whole word if it has hyphens."""
        end = 0
        for word in _WORD.finditer(text):
            is_after_break = _BREAK.search(text, end, word.start()) is not None
            tokens, parts = [], []
            for part in _PART.finditer(text, word.start(), word.end()):
                folded = fold(part.group())
                parts.append(folded)
                if folded and not (len(folded) == 1 and "a" <= folded <= "z"):
                    place = (part.start(), part.end())
                    tokens.append(Token(self._form(folded), *place, is_after_break, folded in self._stop_words))
                    is_after_break = False
            # A dropped letter must not take the comma before it along.
            end = word.end() if tokens else end
            is_whole = len(tokens) > 0 and _HYPHEN.search(word.group()) and not all(p[:1].isdigit() for p in parts)
            yield tokens, self._form("".join(parts)) if is_whole else ""

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

    def _form(self, folded: str) -> str:
        form = self._forms.get(folded)
        if form is None:
            if len(self._forms) > _MOST_FORMS:
                self._forms = {}
            form = self._forms[folded] = self._stem(self.language.same.get(folded, folded))
        return form

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
