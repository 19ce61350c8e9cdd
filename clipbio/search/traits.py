"""What specimens are filtered and counted by of their descriptions: characters (leaf shape) and states (ovate).

Shape suffixes: G groups, R traits of descriptions, V states (each of one character), C characters, E pairs of a group
and a state, P pairs of a group and a character.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.errors import ClipbioError, closest
from clipbio.search.arrow import numpy_of
from clipbio.search.query import Array
from clipbio.search.texts import Texts
from clipbio.traits import MEASURED

__all__ = ["TRAIT", "Character", "StatedTraits", "TraitFacet"]

TRAIT = "trait"
"""The name of the filter."""
_MOST_NAMED = 12
_RANGE = re.compile(r"(\d+(?:\.\d+)?)?\s*(\.\.|[-–])?\s*(\d+(?:\.\d+)?)?\s*(?:mm)?")


@dataclass(frozen=True)
class Character:
    """What can be said of an organism: a property of an organ, or of a part of it."""

    organ: str
    part: str
    property: str

    @builtins.property
    def name(self) -> str:
        """Return what it is called: `leaf shape`."""
        return " ".join(filter(None, (self.organ, self.part, self.property)))

    @builtins.property
    def is_measure(self) -> bool:
        """Tell whether its states are millimetres."""
        return self.property in MEASURED


@dataclass(frozen=True)
class TraitFacet:
    """A character with the number of specimens of each state, most first; a measure has its range in mm instead.

    `specimens` have any state of it. A specimen with several states counts for each.
    """

    character: str
    organ: str
    part: str
    property: str
    specimens: int
    values: tuple[tuple[str, int], ...] = ()
    range: tuple[float, float] | None = None


class StatedTraits:
    """The states of all groups; what a description denies is none.

    Args:
        texts: Those of an index with traits.
    """

    def __init__(self, texts: Texts) -> None:
        assert texts.traits is not None
        table = texts.traits.table.filter(pc.invert(texts.traits.table["negated"]))
        state_R, states = _states(table)
        group_E, at_E = _spread(numpy_of(table["description"]), texts)
        pairs = np.unique(group_E * max(1, len(states)) + state_R[at_E])
        self.groups = len(texts.groups)
        self._group_E, self._state_E = np.divmod(pairs, max(1, len(states)))
        self._low_V, self._high_V = _bounds(table, state_R, len(states))
        characters = list(dict.fromkeys(Character(*state[:3]) for state in states))
        self.characters: Sequence[Character] = characters
        number = {character: place for place, character in enumerate(characters)}
        self._values = [state[3] for state in states]
        self._character_V = np.array([number[Character(*state[:3])] for state in states], np.int64)
        both = np.unique(self._group_E * max(1, len(characters)) + self._character_V[self._state_E])
        self._group_P, self._character_P = np.divmod(both, max(1, len(characters)))
        self._known = {
            (number[Character(*state[:3])], value.casefold()) for state, value in zip(states, self._values, strict=True)
        }
        self._numbers = {character.name.casefold(): place for place, character in enumerate(characters)}

    def by_character(self, wanted: Sequence[Any]) -> dict[int, Array]:
        """Return for each character that is asked for which groups (G,) have one of its wanted states.

        Args:
            wanted: Conditions `leaf shape=ovate`; of measures and counts also `leaf length=20..30` (in mm) or `25`,
                which what overlaps it meets.

        Raises:
            ClipbioError: A condition is none, or there is no such character or state.
        """
        states: dict[int, Array] = {}
        for one in wanted:
            name, sign, value = str(one).partition("=")
            if not sign or not value.strip():
                raise ClipbioError(f"trait '{one}' is no character with a state: give such as 'leaf shape=ovate'")
            character = self._character(name)
            states[character] = states.get(character, False) | self._wanted_V(character, value.strip())
        return {character: self._groups_with(wanted_V) for character, wanted_V in states.items()}

    def knows(self, character: str, state: str) -> bool:
        """Tell whether a description tells this state of a character."""
        place = self._numbers.get(character.casefold())
        return place is not None and (place, state.casefold()) in self._known

    def facets(self, count_G: Array, chosen: dict[int, Array], most: int) -> list[TraitFacet]:
        """Return the most widespread characters with the counts of their states.

        Args:
            count_G: Specimens of each group that pass all other filters.
            chosen: What `by_character` returned for those of traits; a character does not narrow its own counts.
            most: How many characters; those chosen come beyond that.
        """
        passing_G = count_G * np.logical_and.reduce([np.ones(self.groups, bool), *chosen.values()])
        counts_V = self._counts(self._state_E, passing_G[self._group_E], len(self._values))
        counts_C = self._counts(self._character_P, passing_G[self._group_P], len(self.characters))
        for own in chosen:
            others = [has_G for character, has_G in chosen.items() if character != own]
            own_G = count_G * np.logical_and.reduce([np.ones(self.groups, bool), *others])
            is_own_E = self._character_V[self._state_E] == own
            found = self._counts(self._state_E[is_own_E], own_G[self._group_E[is_own_E]], len(self._values))
            counts_V = np.where(self._character_V == own, found, counts_V)
            counts_C[own] = own_G[self._group_P[self._character_P == own]].sum()
        order = sorted(np.flatnonzero(counts_C).tolist(), key=lambda one: (-counts_C[one], self.characters[one].name))
        shown = [one for place, one in enumerate(order) if place < most or one in chosen]
        return [self._facet(one, int(counts_C[one]), counts_V) for one in shown]

    def _facet(self, character: int, specimens: int, counts_V: Array) -> TraitFacet:
        known, states = self.characters[character], np.flatnonzero((self._character_V == character) & (counts_V > 0))
        facts = (known.name, known.organ, known.part, known.property, specimens)
        if known.is_measure and not np.isnan(self._low_V[states]).all():
            low, high = np.nanmin(self._low_V[states]), np.nanmax(self._high_V[states])
            return TraitFacet(*facts, range=(float(low), float(high)))
        pairs = [(self._values[state], int(counts_V[state])) for state in states.tolist()]
        return TraitFacet(*facts, tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))))

    @staticmethod
    def _counts(codes: Array, weights: Array, count: int) -> Array:
        return np.bincount(codes, weights, count).astype(np.int64)

    def _groups_with(self, wanted_V: Array) -> Array:
        has_G = np.zeros(self.groups, bool)
        has_G[self._group_E[wanted_V[self._state_E]]] = True
        return has_G

    def _character(self, name: str) -> int:
        found = self._numbers.get(" ".join(name.split()).casefold())
        if found is None:
            names = [character.name for character in self.characters]
            widespread = np.argsort(-np.bincount(self._character_P, minlength=len(names)), kind="stable")
            few = f"; there are such as: {', '.join(names[one] for one in widespread[:_MOST_NAMED])}" if names else ""
            raise ClipbioError(f"no description tells the character '{name.strip()}'{closest(name, names) or few}")
        return found

    def _wanted_V(self, character: int, value: str) -> Array:
        is_own_V = self._character_V == character
        own, known, ends = np.flatnonzero(is_own_V).tolist(), self.characters[character], _ends(value)
        same = [state for state in own if self._values[state].casefold() == value.casefold()]
        found_V = np.zeros(len(self._values), bool)
        found_V[same] = True
        if ends and (known.is_measure or (known.property == "count" and not same)):
            return np.asarray(is_own_V & (self._low_V <= ends[1]) & (self._high_V >= ends[0]))
        if same:
            return found_V
        values = [self._values[state] for state in own]
        listed = f"; it is one of: {', '.join(sorted(values))}" if len(values) <= _MOST_NAMED else ""
        numbers = "; give a number or a range such as 20..30, in mm" if known.is_measure else ""
        raise ClipbioError(
            f"no description has {known.name} '{value}'{numbers or closest(value.casefold(), values) or listed}"
        )


def _states(table: pa.Table) -> tuple[Array, list[tuple[str, ...]]]:
    """Return the state of each trait (R,), and all states: organ, part, property, value."""
    names = [table[name].cast(pa.string()) for name in ("organ", "part", "property", "value")]
    encoded = pc.binary_join_element_wise(*names, "\x1f").combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return numpy_of(encoded.indices).astype(np.int64), [
        tuple(one.split("\x1f")) for one in encoded.dictionary.to_pylist()
    ]


def _spread(description_R: Array, texts: Texts) -> tuple[Array, Array]:
    """Return the groups that have a trait, and which trait: one pair for each group of its description."""
    groups = texts.groups
    order = np.argsort(groups.descriptions, kind="stable")
    group_of = np.repeat(np.arange(len(groups)), np.diff(groups.offsets_G1))[order]
    begins = np.searchsorted(groups.descriptions[order], np.arange(len(texts.descriptions) + 1))
    counts_R = np.diff(begins)[description_R]
    at_E = np.repeat(np.arange(len(description_R)), counts_R)
    nth_E = np.arange(len(at_E)) - np.repeat(np.cumsum(counts_R) - counts_R, counts_R)
    return group_of[begins[description_R[at_E]] + nth_E], at_E


def _bounds(table: pa.Table, state_R: Array, states: int) -> tuple[Array, Array]:
    """Return the lowest and the highest number of each state (V,), NaN where it has none."""
    low_R, high_R = (numpy_of(pc.fill_null(table[name], np.nan)) for name in ("low", "high"))
    low_R, high_R = np.where(np.isnan(low_R), high_R, low_R), np.where(np.isnan(high_R), low_R, high_R)
    low_V, high_V = np.full(states, np.nan), np.full(states, np.nan)
    low_V[state_R], high_V[state_R] = low_R, high_R
    return low_V, high_V


def _ends(value: str) -> tuple[float, float] | None:
    """Return the ends of `20..30`, `20-30 mm`, `..30`, `20..` or `25`, None if it is no such range."""
    match = _RANGE.fullmatch(value)
    low, dots, high = match.groups() if match else (None, None, None)
    if low and not dots and not high:
        return float(low), float(low)
    return (float(low or "-inf"), float(high or "inf")) if dots and (low or high) else None
