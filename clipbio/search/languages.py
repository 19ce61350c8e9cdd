"""What the lexical side of the search knows of a language: its negations, joining words, odd plurals and stop words."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from clipbio.errors import ClipbioError, nearest

__all__ = ["Language", "fold", "language"]


@dataclass(frozen=True)
class Language:
    """One language; all words are folded.

    `negators` negate what follows in a query, these and `more_negators` in a description; `joiners` end what is
    negated, and what stands after one of `alternatives` is negated too ("not hairy or spiny"). `same` gives words the
    form of another one where stems differ, such as leaves and leaf.
    """

    name: str
    negators: frozenset[str]
    more_negators: frozenset[str] = frozenset()
    joiners: frozenset[str] = frozenset()
    alternatives: frozenset[str] = frozenset()
    same: dict[str, str] = field(default_factory=dict)


def fold(word: str) -> str:
    """Return a word in small letters without accents."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def language(name: str) -> Language:
    """Return a language by its name (`english`) or code (`en`); `none` knows "not" alone, and no stems.

    Raises:
        ClipbioError: Neither stems nor words of it are known.
    """
    key = fold(name)
    key = _CODES.get(key, key)
    if key in _KNOWN:
        return _KNOWN[key]
    import Stemmer

    if key not in Stemmer.algorithms():
        raise ClipbioError(f"language={name} is not known{nearest(name, [*_KNOWN, *Stemmer.algorithms()])}")
    return Language(key, frozenset({"not"}))


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


def _pairs(text: str) -> dict[str, str]:
    """Read "singular plural ..." of each line as plural: singular."""
    lines = [line.split() for line in text.strip().splitlines()]
    return {other: first for first, *others in lines for other in others}


# Plurals, and the American spellings, of words of descriptions that stems leave apart.
_ENGLISH_SAME = _pairs("""
    leaf leaves
    tooth teeth
    foot feet
    half halves
    calf calves
    hoof hooves
    mouse mice
    goose geese
    calyx calyces calices
    apex apices apexes
    cortex cortices
    vertex vertices
    spadix spadices
    appendix appendices
    thorax thoraces
    axis axes
    basis bases
    rachis rachides rhachis
    stigma stigmata
    stoma stomata
    ostium ostia
    ovarium ovaria
    septum septa
    sternum sterna
    cilium cilia
    hilum hila
    ovum ova
    phyllarium phyllaria
    mycelium mycelia
    sorus sori
    pappus pappi
    nucleus nuclei
    stylus styli
    radius radii
    tarsus tarsi
    fungus fungi
    nectarium nectaria
    antenna antennae
    larva larvae
    pupa pupae
    lamella lamellae
    papilla papillae
    seta setae
    hypha hyphae
    alga algae
    bract bracteae
    stipule stipulae
    grey gray
    greyish grayish
    colour color colors colours
    coloured colored
""")

_KNOWN = {
    one.name: one
    for one in (
        Language("none", _words("not")),
        Language(
            "english",
            _words("not no without"),
            _words("non never nor neither lacking lacks cannot"),
            _words("and but with"),
            _words("or nor"),
            _ENGLISH_SAME,
        ),
        Language(
            "french",
            _words("not non pas sans"),
            _words("ni jamais aucun aucune"),
            _words("et mais avec"),
            _words("ou ni"),
        ),
        Language(
            "german",
            _words("not nicht ohne kein keine keinen"),
            _words("non nie weder"),
            _words("und aber mit sondern"),
            _words("oder"),
        ),
        Language("spanish", _words("not no sin"), _words("ni nunca"), _words("y pero con sino"), _words("o u ni")),
        Language("italian", _words("not non senza"), _words("né mai"), _words("e ma con"), _words("o né")),
        Language("portuguese", _words("not não sem"), _words("nem nunca"), _words("e mas com"), _words("ou nem")),
        Language("latin", _words("not non sine"), _words("nec neque haud"), _words("et sed cum"), _words("aut vel")),
    )
}
_CODES = {
    "en": "english",
    "fr": "french",
    "de": "german",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "la": "latin",
}
