"""How words are compared: in small letters, a hyphen as a space, what is elided (`d'`, `l'`) as a word of its own."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ELISION", "bare", "folded"]

ELISION = r"(?:[cdjlmnst]|qu|jusqu)['’](?=[^\W\d_])"
"""A French word that lost its last letter before a vowel."""
_ELIDED = re.compile(rf"(?<![^\W\d_])({ELISION})")


def folded(phrase: str) -> tuple[str, ...]:
    """Return the words of a phrase in small letters; a hyphen parts words as a space does."""
    return tuple(_ELIDED.sub(r"\1 ", phrase.lower().replace("’", "'").replace("-", " ")).split())


def bare(words: str) -> str:
    """Return words without accents and ligatures."""
    marked = unicodedata.normalize("NFD", words.replace("œ", "oe").replace("æ", "ae"))
    return "".join(letter for letter in marked if not unicodedata.combining(letter))
