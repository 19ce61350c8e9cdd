"""What code knows of the languages of descriptions; their words stand in the vocabularies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clipbio.traits import inflection, inflection_fr

__all__ = ["LANGUAGES", "Language"]


@dataclass(frozen=True, slots=True)
class Language:
    """Rules of a language.

    Args:
        nouns: all forms of a noun, the one of the vocabulary first.
        adjectives: all forms of an adjective.
        possessing: adjectives of having a body part (`eyed`).
        agreeing: which forms agree with the phrases of a table of the vocabulary.
        names_keys: the canonical words are words of this language.
        loose_endings: of verbs: unknown words so ending are not the noun that adjectives wait for.
        adverb_endings: unknown words so ending stand between others without a meaning of their own.
        shape_suffixes: what makes any noun a shape: `spoon-shaped`.
    """

    nouns: Callable[[str], list[str]]
    adjectives: Callable[[str], list[str]]
    possessing: Callable[[str], tuple[str, ...]]
    agreeing: Callable[[Mapping[str, Any]], dict[tuple[str, ...], frozenset[str]]]
    names_keys: bool
    loose_endings: tuple[str, ...]
    adverb_endings: tuple[str, ...]
    shape_suffixes: tuple[str, ...]


LANGUAGES = {
    "en": Language(
        nouns=lambda noun: [noun, inflection.plural(noun)],
        adjectives=lambda adjective: [adjective],
        possessing=inflection.possessing,
        agreeing=lambda table: {},
        names_keys=True,
        loose_endings=("ing", "ed", "er", "est"),
        adverb_endings=("ly",),
        shape_suffixes=("shaped",),
    ),
    "fr": Language(
        nouns=lambda noun: inflection_fr.spellings(inflection_fr.noun_forms(noun)),
        adjectives=lambda adjective: inflection_fr.spellings(inflection_fr.adjective_forms(adjective)),
        possessing=lambda noun: (),
        agreeing=inflection_fr.agreeing,
        names_keys=False,
        loose_endings=(),
        adverb_endings=("ement", "amment", "emment", "iment"),
        shape_suffixes=(),
    ),
}
"""The languages that are read, with the rules of each."""
