"""The words around numbers in one language."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from clipbio.errors import ClipbioError

__all__ = ["LANGUAGES", "WORD", "Grammar", "Phrase", "folded", "grammar"]

LANGUAGES = ("en", "fr")
WORD = r"[^\W\d_](?:[\w\u0300-\u036f]*(?<=[dlnsu])['’](?=[^\W\d_])|[\w\u0300-\u036f]*)"
"""A word, or what is elided before one (`d'`, `jusqu'`)."""

_SYMBOLS = {
    "about": ["±", "~", "≈", "∼"],
    "most": ["<", "≤"],
    "least": [">", "≥"],
    "ormore": ["+"],
    "vague": {"many": ["∞"]},
    "unit": {"um": ["µm", "um", "µ"], "mm": ["mm"], "cm": ["cm"], "dm": ["dm"], "m": ["m"]},
}
_PIECE = re.compile(rf"{WORD}|\S")
_OPTIONAL = re.compile(r"\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that mean something beside a number: `after`, `length` for `in length`."""

    words: tuple[str, ...]
    kind: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Grammar:
    """How numbers and the words around them are written in a language.

    Args:
        phrases: by their first word, the longest first.
        comma: a comma stands before decimals (2,5), else it parts thousands (2,500).
    """

    phrases: dict[str, tuple[Phrase, ...]]
    comma: bool


@cache
def grammar(language: str) -> Grammar:
    """Return the grammar of `language`, one of `LANGUAGES`.

    Raises:
        ClipbioError: the language has no grammar.
    """
    if language not in LANGUAGES:
        raise ClipbioError(f"language={language!r}: descriptions are read in {' or '.join(LANGUAGES)} only")
    table: dict[str, Any] = yaml.safe_load(files(__package__).joinpath(f"{language}.yaml").read_text("utf-8"))
    comma, numbers = table.pop("decimal") == "comma", table.pop("numbers")
    found = [Phrase(words, "word", "", value) for phrase, value in numbers.items() for words in _spellings(phrase)]
    for source in (table, _SYMBOLS):
        for kind, entry in source.items():
            named = entry if isinstance(entry, dict) else {"": entry}
            for name, phrases in named.items():
                value = float(name) if kind == "single" else 0.0
                found += [Phrase(words, kind, str(name), value) for phrase in phrases for words in _spellings(phrase)]
    by_first: dict[str, list[Phrase]] = defaultdict(list)
    for item in sorted(found, key=lambda item: -len(item.words)):
        by_first[item.words[0]].append(item)
    return Grammar({first: tuple(items) for first, items in by_first.items()}, comma)


def folded(word: str) -> str:
    """Return `word` in small letters and without accents."""
    if word.isascii():
        return word.lower()
    marked = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in marked if not unicodedata.combining(letter)).replace("’", "'")


def _spellings(phrase: str) -> list[tuple[str, ...]]:
    """Return the words of every way to write `phrase`: with and without what stands in brackets."""
    bracket = _OPTIONAL.search(phrase)
    if bracket is None:
        return [tuple(folded(piece) for piece in _PIECE.findall(phrase))]
    before, after = phrase[: bracket.start()], phrase[bracket.end() :]
    return [words for middle in (bracket.group(1), "") for words in _spellings(before + middle + after)]
