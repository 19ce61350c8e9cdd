"""French word forms by rule: plurals, feminine adjectives, spellings without accents, and which forms agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clipbio.traits.spelling import bare, folded

__all__ = ["adjective_forms", "agreeing", "noun_forms", "spellings"]

# Words behind these stay as they are: `dentées en scie`, `taches de rousseur`.
_PREPOSITIONS = frozenset(
    ("de", "d'", "du", "des", "en", "à", "au", "aux", "sur", "vers", "par", "sans", "dans", "le", "la", "l'")
)
_UNCHANGED = frozenset(("non", "très", "peu"))
_FEMININE = {
    "blanc": "blanche",
    "franc": "franche",
    "sec": "sèche",
    "long": "longue",
    "oblong": "oblongue",
    "aigu": "aiguë",
    "roux": "rousse",
    "doux": "douce",
    "mou": "molle",
    "frais": "fraîche",
    "épais": "épaisse",
    "gros": "grosse",
    "bas": "basse",
    "gras": "grasse",
    "vermeil": "vermeille",
    "marron": "marron",
    "châtain": "châtain",
}
_ENDINGS = (
    *(("eux", "euse"), ("if", "ive"), ("er", "ère"), ("el", "elle")),
    *(("en", "enne"), ("et", "ette"), ("eau", "elle"), ("e", "e")),
)


def noun_forms(noun: str, *, feminine: bool = False) -> dict[str, frozenset[str]]:
    """Return singular and plural of a noun, and what agrees with each: `fs` is feminine and singular."""
    gender = "f" if feminine else "m"
    found: dict[str, frozenset[str]] = {}
    for form, number in ((noun, "s"), (_inflected(noun, "mp"), "p")):
        _take(found, form, gender + number)
    return found


def adjective_forms(adjective: str) -> dict[str, frozenset[str]]:
    """Return the forms of an adjective in the masculine singular; what begins with a preposition has one for all."""
    first = adjective.replace("'", "' ").split()[0]
    found: dict[str, frozenset[str]] = {}
    for form in ("ms", "fs", "mp", "fp"):
        _take(found, adjective if first in _PREPOSITIONS else _inflected(adjective, form), form)
    return found


def _take(found: dict[str, frozenset[str]], phrase: str, form: str) -> None:
    found[phrase] = found.get(phrase, frozenset()) | {form}


def _inflected(phrase: str, form: str) -> str:
    """Return a phrase with its words up to the first preposition in another form."""
    words: list[str] = []
    for place, word in enumerate(pieces := re.split(r"(?<=['’])|[ ]", phrase)):
        if word in _PREPOSITIONS:
            return " ".join([*words, *pieces[place:]]).replace("' ", "'")
        is_adverb = word in _UNCHANGED or (word.endswith("ment") and len(pieces) > 1)
        words.append(word if is_adverb else _word(word, form))
    return " ".join(words)


def _word(word: str, form: str) -> str:
    if form[0] == "f":
        word = _feminine(word)
    return word if form[1] == "s" else _plural(word)


def _feminine(word: str) -> str:
    if word in _FEMININE:
        return _FEMININE[word]
    for ending, other in _ENDINGS:
        if word.endswith(ending):
            return word.removesuffix(ending) + other
    return f"{word}e"


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "z")):
        return word
    if word.endswith("al"):
        return f"{word[:-2]}aux"
    return f"{word}x" if word.endswith("eau") else f"{word}s"


def spellings(forms: Iterable[str]) -> list[str]:
    """Return all forms, and after them those without accents."""
    forms = list(forms)
    return [*forms, *(bare(form) for form in forms if bare(form) != form)]


def agreeing(table: Mapping[str, Any]) -> dict[tuple[str, ...], frozenset[str]]:
    """Return the phrases of a vocabulary table that have gender and number, with what agrees with them."""
    found: dict[tuple[str, ...], frozenset[str]] = {}
    feminine = set(table.get("feminine", ()))
    for noun in _nouns(table):
        _put(found, noun_forms(noun, feminine=noun in feminine))
    for adjective in _adjectives(table):
        _put(found, adjective_forms(adjective))
    return found


def _nouns(table: Mapping[str, Any]) -> Iterator[str]:
    for section in ("organs", "parts", "markings", "marking_masses", "side_nouns", "organ_parts"):
        for words in table.get(section, {}).values():
            yield from words
    for states in table.get("kinds", {}).values():
        for words in states.values():
            yield from words
    yield from table.get("wholes", ())


def _adjectives(table: Mapping[str, Any]) -> Iterator[str]:
    for section in ("marking_adjectives", "region_adjectives", "colours", "shades", "sexes", "stages"):
        for words in table.get(section, {}).values():
            yield from words
    for states in table.get("states", {}).values():
        for words in states.values():
            yield from words
    yield from table.get("plain", ())


def _put(found: dict[tuple[str, ...], frozenset[str]], forms: Mapping[str, frozenset[str]]) -> None:
    for phrase, agreeing in forms.items():
        for words in dict.fromkeys((folded(phrase), folded(bare(phrase)))):
            found[words] = found.get(words, frozenset()) | agreeing
