"""How words are compared: in small letters, a hyphen as a space, what is elided (`d'`, `l'`) as a word of its own."""

from __future__ import annotations

import re

__all__ = ["ELISION", "folded"]

ELISION = r"(?:[cdjlmnst]|qu|jusqu)['’](?=[^\W\d_])"
"""A French word that lost its last letter before a vowel."""
_ELIDED = re.compile(rf"(?<![^\W\d_])({ELISION})")


def folded(phrase: str) -> tuple[str, ...]:
    """Return the words of a phrase in small letters; a hyphen parts words as a space does."""
    return tuple(_ELIDED.sub(r"\1 ", phrase.lower().replace("’", "'").replace("-", " ")).split())
