"""What each phrase of a vocabulary is: an organ, a marking, a state, or a small word that binds these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    reading = _Reading(name, table, language)
    # What stands first wins over the further forms of what stands behind it.
    reading.read_nouns()
    reading.read_states()
    reading.read_markings()
    reading.read_words()
    reading.read_possessing()
    return reading.found


class _Reading:
    """The phrases of a vocabulary table as they are read, section by section."""

    def __init__(self, name: str, table: Mapping[str, Any], language: Language) -> None:
        self.found: dict[tuple[str, ...], Entry] = {}
        self._name, self._table, self._language = name, table, language

    def read_nouns(self) -> None:
        """Read organs, their parts, markings and what wholes are called."""
        for section, kind in NOUNS.items():
            for canonical, phrase in self._pairs(section):
                self._add(self._language.nouns(phrase), Entry(kind, canonical))
        for key, words in self._table.get("organ_parts", {}).items():
            organ, _, part = key.partition("/")
            for phrase in words:
                self._add(self._language.nouns(phrase), Entry("organ", organ, part=part))
        for phrase in self._table.get("wholes", ()):
            self._add(self._language.nouns(phrase), Entry("whole"))

    def read_states(self) -> None:
        """Read the states of each property: nouns such as `berry`, then adjectives."""
        for organ, property_, canonical, phrase in self._states("kinds"):
            self._add(self._language.nouns(phrase), Entry("kind", canonical, organ, property_))
        for organ, property_, canonical, phrase in self._states("states"):
            self._add_free(self._language.adjectives(phrase), Entry("state", canonical, organ, property_))

    def read_markings(self) -> None:
        """Read the adjectives of markings, regions and builds: `spotted`, `tipped`, `stout`."""
        adjectives = self._language.adjectives
        for canonical, phrase in pairs(self._table.get("marking_adjectives", {}), named=False):
            self._add(adjectives(phrase), Entry("state", canonical, property="pattern", part=canonical))
        for canonical, phrase in pairs(self._table.get("region_adjectives", {}), named=False):
            self._add(adjectives(phrase), Entry("state", "", part=canonical))
        for phrase in self._table.get("plain", ()):
            self._add(adjectives(phrase), Entry("state", "plain", property="pattern"))
        for phrase in self._table.get("builds", ()):
            self._add_free(adjectives(phrase), Entry("state", phrase, property="build"))

    def read_words(self) -> None:
        """Read sexes, stages, sides, and the small words that bind."""
        for section, kind in OTHERS.items():
            for canonical, phrase in self._pairs(section):
                self._add(self._language.adjectives(phrase), Entry(kind, canonical))
        for phrase in self._table.get("both_sides", ()):
            self._add([phrase], Entry("both_sides"))
        for kind, words in self._table.get("words", {}).items():
            self._add_free(words, Entry(kind))
        for phrase in self._table.get("elsewhere", ()):
            self._add([phrase], Entry("elsewhere"))

    def read_possessing(self) -> None:
        """Make the adjectives of what has an organ or marking: `eyed`, `spotted`."""
        for words, entry in list(self.found.items()):
            if entry.kind in ("organ", "marking") and len(words) == 1:
                bodied = Entry("bodied", entry.value, part=entry.part, organ=entry.kind)
                self._add_free(self._language.possessing(words[0]), bodied)

    def _pairs(self, section: str) -> list[tuple[str, str]]:
        named = self._language.names_keys and section not in _UNNAMED
        return pairs(self._table.get(section, {}), named=named)

    def _states(self, section: str) -> Iterator[tuple[str, str, str, str]]:
        """Yield (organ, property, canonical, phrase) of a section by `organ property`."""
        for key, states in self._table.get(section, {}).items():
            organ, _, property_ = key.rpartition(" ")
            for canonical, phrase in pairs(states, named=self._language.names_keys):
                yield organ, property_, canonical, phrase

    def _add(self, phrases: Sequence[str], entry: Entry) -> None:
        """Add a phrase that means nothing else, and those of its further forms that are free."""
        phrase, *forms = phrases
        words = folded(phrase)
        if self.found.setdefault(words, entry) != entry:
            told = f"both {_told(self.found[words])} and {_told(entry)}"
            raise ClipbioError(f"vocabulary {self._name}: '{phrase}' is {told}")
        self._add_free(forms, entry)

    def _add_free(self, phrases: Sequence[str], entry: Entry) -> None:
        for phrase in phrases:
            self.found.setdefault(folded(phrase), entry)


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
