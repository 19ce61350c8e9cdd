"""Invented names: pronounceable, unique, and silent about what the plant looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["NameBook"]

_ONSETS = ("b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v")
_CLUSTERS = ("br", "cl", "cr", "dr", "gr", "pl", "pr", "st", "tr", "th", "ph")
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "ae", "y")
_CODAS = ("", "", "", "", "l", "n", "r", "s", "m")
_GENUS_ENDS = ("ia", "a", "ium", "um", "us", "is", "ella", "opsis", "ea", "ula")
_EPITHET_ENDS = ("ensis", "oides", "ana", "ina", "icola", "aris", "ica", "ella", "ulosa", "esca")
_NOUN_ENDS = ("wort", "weed", "bane", "cress", "dock", "rue", "mint", "sage", "balm", "vetch")
_PLACE_ENDS = ("ford", "ham", "ton", "by", "wick", "mere", "more", "low", "dale", "field")
# Parts that would tell a colour, a number or a form in Latin or in English.
_TELLING = re.compile(
    "alb|rub|ros|lute|flav|nigr|vir|caeru|purp|aur|macul|punct|foli|phyll|flor|petal|carp|anth|serr|dent|cord|ovat|line|"
    "lanc|pinn|palm|spic|race|umbel|glab|hirs|pil|tri|tetr|pent|hex|oct|erect|sagit|orb|rot|cren|bulb|fibr|red"
)


class NameBook:
    """Hand out names that were never handed out before."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._taken: set[str] = set()

    def genus(self) -> str:
        """Invent a genus name."""
        return self._fresh(_GENUS_ENDS, syllables=2).capitalize()

    def epithet(self) -> str:
        """Invent a species epithet."""
        return self._fresh(_EPITHET_ENDS, syllables=2)

    def higher(self, ending: str) -> str:
        """Invent the name of a family, order, class or phylum; the ending tells which."""
        return self._fresh((ending,), syllables=2).capitalize()

    def noun(self) -> str:
        """Invent the English noun of a genus, such as `fennwort`."""
        return self._fresh(_NOUN_ENDS, syllables=1)

    def place(self) -> str:
        """Invent a person or a place, such as `Marlow`."""
        return self._fresh(_PLACE_ENDS, syllables=1).capitalize()

    def _fresh(self, endings: Sequence[str], *, syllables: int) -> str:
        word = next(word for word in self._words(endings, syllables) if word not in self._taken)
        self._taken.add(word)
        return word

    def _words(self, endings: Sequence[str], syllables: int) -> Iterator[str]:
        while True:
            word = self._one(_CLUSTERS if self._random.random() < 0.25 else _ONSETS)
            for _ in range(syllables - 1):
                word += self._one(_VOWELS) + self._one(_CODAS) + self._one(_ONSETS)
            word += self._one(_VOWELS) + self._one(_ONSETS)
            # One-syllable stems alone would be used up by a large flora.
            if syllables == 1 and self._random.random() < 0.4:
                word += self._one(_VOWELS)[0] + self._one(("l", "n", "r", "s"))
            word += self._one(endings)
            if not _TELLING.search(word):
                yield word

    def _one(self, parts: Sequence[str]) -> str:
        return parts[int(self._random.integers(len(parts)))]
