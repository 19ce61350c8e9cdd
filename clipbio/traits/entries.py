"""What each phrase of a vocabulary is: an organ, a marking, a state, or a small word that binds these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.traits.languages import Language
from clipbio.traits.spelling import bare, folded

__all__ = ["NOUNS", "OTHERS", "Entry", "pairs", "read_entries", "read_tied"]

NOUNS = {
    "organs": "organ",
    "parts": "part",
    "markings": "marking",
    "marking_masses": "mass",
    "side_nouns": "side_noun",
}
_UNNAMED = ("side_nouns", "marking_masses", "seasons")
OTHERS = {"sexes": "sex", "stages": "stage", "sides": "side", "seasons": "season"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a phrase is.

    Args:
        kind: `organ`, `part`, `marking`, `mass`, `kind`, `whole`, `side_noun`, `state`, `sex`, `stage`, `side`,
            `bodied` (`eyed`, which needs an adjective before it), or what a small word does (`with`, `preposition`).
        value: canonical.
        organ: of a kind or state that only one organ has.
        property: of a state or kind; `build` is form of a body, shape of a part.
        part: of `organ_parts` and adjectives such as `tipped`.
    """

    kind: str
    value: str = ""
    organ: str = ""
    property: str = ""
    part: str = ""


def pairs(section: Mapping[str, Sequence[str]], *, named: bool) -> list[tuple[str, str]]:
    """Return (canonical, phrase) of a section; `named`: the canonical word is a phrase itself, the first."""
    return [(key, phrase) for key, words in section.items() for phrase in (*([key] if named else ()), *words)]


def read_entries(name: str, table: Mapping[str, Any], language: Language) -> dict[tuple[str, ...], Entry]:
    """Return the phrases of a vocabulary table with what they are.

    Raises:
        ClipbioError: a phrase means two things.
    """
    found: dict[tuple[str, ...], Entry] = {}

    named = language.names_keys

    def add(phrases: Sequence[str], entry: Entry) -> None:
        phrase, *forms = phrases
        words = folded(phrase)
        if found.setdefault(words, entry) != entry:
            raise ClipbioError(f"vocabulary {name}: '{phrase}' is both {_told(found[words])} and {_told(entry)}")
        add_free(forms, entry)

    def add_free(phrases: Sequence[str], entry: Entry) -> None:
        for phrase in phrases:
            found.setdefault(folded(phrase), entry)

    def add_noun(phrase: str, entry: Entry) -> None:
        add(language.nouns(phrase), entry)

    for section, kind in NOUNS.items():
        for canonical, phrase in pairs(table.get(section, {}), named=named and section not in _UNNAMED):
            add_noun(phrase, Entry(kind, canonical))
    for key, words in table.get("organ_parts", {}).items():
        organ, _, part = key.partition("/")
        for phrase in words:
            add_noun(phrase, Entry("organ", organ, part=part))
    for phrase in table.get("wholes", ()):
        add_noun(phrase, Entry("whole"))
    for key, states in table.get("kinds", {}).items():
        organ, _, property_ = key.rpartition(" ")
        for canonical, phrase in pairs(states, named=named):
            add_noun(phrase, Entry("kind", canonical, organ, property_))
    for key, states in table.get("states", {}).items():
        organ, _, property_ = key.rpartition(" ")
        for canonical, phrase in pairs(states, named=named):
            add_free(language.adjectives(phrase), Entry("state", canonical, organ, property_))
    for canonical, phrase in pairs(table.get("marking_adjectives", {}), named=False):
        add(language.adjectives(phrase), Entry("state", canonical, property="pattern", part=canonical))
    for canonical, words in table.get("region_adjectives", {}).items():
        for phrase in words:
            add(language.adjectives(phrase), Entry("state", "", part=canonical))
    for phrase in table.get("plain", ()):
        add(language.adjectives(phrase), Entry("state", "plain", property="pattern"))
    for phrase in table.get("builds", ()):
        add_free(language.adjectives(phrase), Entry("state", phrase, property="build"))
    for section, kind in OTHERS.items():
        for canonical, phrase in pairs(table.get(section, {}), named=named and section not in _UNNAMED):
            add(language.adjectives(phrase), Entry(kind, canonical))
    for phrase in table.get("both_sides", ()):
        add([phrase], Entry("both_sides"))
    for kind, words in table.get("words", {}).items():
        add_free(words, Entry(kind))
    for phrase in table.get("elsewhere", ()):
        add([phrase], Entry("elsewhere"))
    for words_, entry in list(found.items()):
        if entry.kind in ("organ", "marking") and len(words_) == 1:
            for form in language.possessing(words_[0]):
                found.setdefault((form,), Entry("bodied", entry.value, part=entry.part, organ=entry.kind))
    return found


def read_tied(
    table: Mapping[str, Any], entries: Mapping[tuple[str, ...], Entry], language: Language
) -> dict[str, Entry]:
    """Return what words tied to a number count, without accents: the lobes of `5-lobed`, the spots of `two-spotted`."""
    found: dict[str, Entry] = {}
    for words, entry in entries.items():
        is_marking = entry.kind == "state" and entry.property == "pattern" and bool(entry.part)
        if len(words) == 1 and (is_marking or entry.kind == "bodied"):
            is_organ = entry.organ == "organ"
            organ, part = (entry.value, entry.part) if is_organ else ("", entry.value)
            found[bare(words[0])] = Entry("count", "" if is_organ else part, organ, "count", part)
    for canonical, phrases in table.get("tied", {}).items():
        is_organ = canonical in table.get("organs", {})
        entry = Entry("count", "", canonical if is_organ else "", "count", "" if is_organ else canonical)
        found |= {bare(form): entry for phrase in phrases for form in language.adjectives(phrase)}
    return found


def _told(entry: Entry) -> str:
    return " ".join(filter(None, (entry.kind, entry.organ, entry.property, entry.value)))
