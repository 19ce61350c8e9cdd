"""How words are compared: in small letters, a hyphen as a space, what is elided (`d'`, `l'`) as a word of its own."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ELISION", "bare", "composed", "folded"]

ELISION = r"(?:[cdjlmnst]|qu|jusqu)['’](?=[^\W\d_])"
"""A French word that lost its last letter before a vowel."""
_LETTER = re.compile(r".[\u0300-\u036f]*", re.DOTALL)
_ELIDED = re.compile(rf"(?<![^\W\d_])({ELISION})")


def folded(phrase: str) -> tuple[str, ...]:
    """Return the words of a phrase in small letters; a hyphen parts words as a space does."""
    return tuple(_ELIDED.sub(r"\1 ", phrase.lower().replace("’", "'").replace("-", " ")).split())


def bare(words: str) -> str:
    """Return words without accents and ligatures."""
    marked = unicodedata.normalize("NFD", words.replace("œ", "oe").replace("æ", "ae"))
    return "".join(letter for letter in marked if not unicodedata.combining(letter))


def composed(text: str) -> tuple[str, list[int]]:
    """Return a text with its accents in their letters (NFC), and where each character and the end stand in `text`."""
    pieces: list[str] = []
    places: list[int] = []
    for match in _LETTER.finditer(text):
        piece = unicodedata.normalize("NFC", match.group())
        pieces.append(piece)
        places += [match.start()] * len(piece)
    return "".join(pieces), [*places, len(text)]
