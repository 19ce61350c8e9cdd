"""In which language a description is written: as its source tells it, else by its small words."""

from __future__ import annotations

import re
from functools import lru_cache

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
    """Guess whether a text is English or French: English unless small words and accents speak for French."""
    words = _WORD.findall(text.casefold())
    counts = {code: sum(word in small for word in words) for code, small in _SMALL_WORDS.items()}
    accented = sum(bool(_FRENCH_LETTERS.search(word)) for word in words)
    return "fr" if counts["fr"] + accented > counts["en"] else "en"
