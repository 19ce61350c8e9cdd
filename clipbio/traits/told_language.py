"""In which language a description is written: as its source tells it, else by its small words and nouns."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import get_args

from clipbio.traits.trait import Group
from clipbio.traits.vocabulary import vocabulary

__all__ = ["language_code", "language_of"]

_CODES = {
    **dict.fromkeys(("en", "eng", "english", "anglais"), "en"),
    **dict.fromkeys(("fr", "fra", "fre", "french", "français", "francais"), "fr"),
}
_ENGLISH = "the of and with to in is are a an on by from or without very than at as its wide not"
_FRENCH = "le la les de des du d l et à au aux un une en par sur avec sans ou plus très est sont que qui dans"
_SMALL_WORDS = {"en": frozenset(_ENGLISH.split()), "fr": frozenset(_FRENCH.split())}
_WORD = re.compile(r"[^\W\d_]+")
_FRENCH_LETTERS = re.compile(r"[éèêëàâçùûîôœ]")


def language_code(told: str) -> str:
    """Return the code of a language as sources tell it: `fr` for `French`, `fra` and `fr-FR`."""
    word = told.strip().casefold()
    return _CODES.get(word) or _CODES.get(word.replace("_", "-").partition("-")[0], word)


@lru_cache(maxsize=4096)
def language_of(text: str) -> str:
    """Guess whether a text is English or French: English unless small words, organs and accents speak for French."""
    words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    counts = {code: sum(word in known for word in words) for code, known in _known_words().items()}
    accented = sum(bool(_FRENCH_LETTERS.search(word)) for word in words)
    return "fr" if counts["fr"] + accented > counts["en"] else "en"


@cache
def _known_words() -> dict[str, frozenset[str]]:
    """Return by language its small words, and the nouns of its vocabularies that the other language lacks."""
    nouns = {code: _nouns(code) for code in _SMALL_WORDS}
    shared = frozenset.intersection(*nouns.values())
    return {code: small | (nouns[code] - shared) for code, small in _SMALL_WORDS.items()}


def _nouns(code: str) -> frozenset[str]:
    return frozenset().union(*(vocabulary(group, code).own_words for group in get_args(Group)))
