"""False statements that look like true ones: states of one species said of another.

Two species swap states of a character that the other has not. So each state is as often false as it is true, and how
frequent it is gives nothing away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipbio.characters.table import CharacterTable, Told
from clipbio.seeding import rng

__all__ = ["PlantedStatement", "plant"]


@dataclass(frozen=True, slots=True)
class PlantedStatement:
    """A statement that a species, by its number, has a state of a character, and whether it is true."""

    species: int
    character: str
    state: str
    true: bool


def plant(species: Sequence[Told], table: CharacterTable, *, seed: int, rounds: int = 1) -> list[PlantedStatement]:
    """Return true statements, and as many false ones.

    A state that too many species have to be swapped, and one that the table does not know, is left out.

    Args:
        species: What is true of each species.
        table: Characters and states that may be planted.
        seed: Another one swaps other states.
        rounds: How often each state is swapped, with other partners.
    """
    found: list[PlantedStatement] = []
    for character in table.characters:
        for number in range(rounds):
            random = rng("planted", character.name, number, seed)
            for (one, state), (other, false) in _swaps(species, character.name, character.states, random):
                said = ((one, state, True), (one, false, False), (other, false, True), (other, state, False))
                found += [PlantedStatement(holder, character.name, what, true) for holder, what, true in said]
    return found


_Entry = tuple[int, str]


def _swaps(
    species: Sequence[Told], name: str, states: Sequence[str], random: np.random.Generator
) -> Iterator[tuple[_Entry, _Entry]]:
    """Yield pairs of species and their states that can be swapped, always one of the most frequent state first."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for place in random.permutation(len(species)).tolist():
        for state in sorted(species[place].get(name, frozenset())):
            if state in states:
                waiting[state].append(place)
    while sum(bool(one) for one in waiting.values()) > 1:
        state = max(waiting, key=lambda one: (len(waiting[one]), one))
        holder = waiting[state].pop()
        partner = _partner(species, name, waiting, (holder, state), random)
        if partner is not None:
            waiting[partner[1]].remove(partner[0])
            yield (holder, state), partner


def _partner(
    species: Sequence[Told], name: str, waiting: dict[str, list[int]], entry: _Entry, random: np.random.Generator
) -> _Entry | None:
    """Return a species with a state that can be swapped with those of an entry, drawn evenly; None if there is none."""
    holder, state = entry
    own = species[holder][name]
    fitting = [
        (place, other)
        for other, places in waiting.items()
        if other not in own
        for place in places
        if state not in species[place][name]
    ]
    return fitting[int(random.integers(len(fitting)))] if fitting else None
