"""Characters with their states, and how many species have each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from clipbio.characters.statements import Statement
from clipbio.errors import ClipbioError

__all__ = ["Character", "CharacterTable", "Told", "slug"]

Told = Mapping[str, frozenset[str]]
"""States by character; a description may tell several states of one, such as those of the sexes."""


def slug(character: str) -> str:
    """Return the name of a character as it stands in keys: `leaf_shape`."""
    return character.replace(" ", "_").replace("/", "_")


@dataclass(frozen=True, slots=True)
class Character:
    """A character, its states, and how many species have each.

    Args:
        name: As `Trait.character` names it.
        states: The most frequent one first; those of a measure in their order.
        species: How many species have each.
        edges: What parts the states of a measure, in millimetres; none of other characters.
    """

    name: str
    states: tuple[str, ...]
    species: tuple[int, ...]
    edges: tuple[float, ...] = ()

    def state_of(self, statement: Statement) -> str:
        """Return the state that a statement about this character tells."""
        if not self.edges or statement.number is None:
            return statement.state
        return self.states[int(np.searchsorted(self.edges, statement.number, side="right"))]


@dataclass(frozen=True)
class CharacterTable:
    """Characters that can be told apart, in the order of how many species tell them.

    `left_out` gives the reason for each character that was told and is not among them.
    """

    characters: tuple[Character, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, species: Iterable[Sequence[Statement]], *, min_species: int = 5, bins: int = 0) -> CharacterTable:
        """Keep the states that enough species have, of the characters that have two of them.

        Args:
            species: What is stated of each species.
            min_species: A state that fewer species have is left out.
            bins: In how many states of equally many species a measure is parted; 0 leaves measures out, as nothing
                in a picture without a scale tells them.

        Raises:
            ClipbioError: No character is left.
        """
        every = list(species)
        found: list[Character] = []
        left_out: dict[str, str] = {}
        for name in dict.fromkeys(one.character for stated in every for one in stated):
            own = [[one for one in stated if one.character == name] for stated in every]
            numbers = [float(np.mean(known)) for of in own if (known := [n for one in of if (n := one.number)])]
            if numbers:
                made = _binned(name, numbers, bins, min_species)
            else:
                made = _counted(name, [{one.state for one in of} for of in own], min_species)
            if isinstance(made, Character):
                found.append(made)
            else:
                left_out[name] = made
        if not found:
            raise ClipbioError(
                f"no character is left: of {len(every)} species none has two states that {min_species} species have; "
                "give more described species, or a smaller min_species"
            )
        return cls(tuple(sorted(found, key=lambda one: (-sum(one.species), one.name))), left_out)

    def __len__(self) -> int:
        return len(self.characters)

    def __getitem__(self, name: str) -> Character:
        return self.by_name[name]

    @property
    def by_name(self) -> dict[str, Character]:
        """Return the characters by their names."""
        return {one.name: one for one in self.characters}

    def told(self, statements: Iterable[Statement]) -> Told:
        """Return the states that statements tell of the characters of this table, other states among them."""
        known = self.by_name
        found: dict[str, set[str]] = {}
        for one in statements:
            if one.character in known:
                found.setdefault(one.character, set()).add(known[one.character].state_of(one))
        return {name: frozenset(states) for name, states in found.items()}


def _counted(name: str, species: Iterable[Iterable[str]], min_species: int) -> Character | str:
    count = Counter(state for states in species for state in states)
    kept = [(state, number) for state, number in count.items() if number >= min_species]
    if len(kept) < 2:
        return f"fewer than two states that {min_species} species have"
    kept.sort(key=lambda one: (-one[1], one[0]))
    return Character(name, tuple(state for state, _ in kept), tuple(number for _, number in kept))


def _binned(name: str, numbers: Sequence[float], bins: int, min_species: int) -> Character | str:
    if bins < 2:
        return "a measure, and measures are not parted into states (bins=0)"
    if len(numbers) < bins * min_species:
        return f"a measure of {len(numbers)} species, too few for {bins} states of {min_species} each"
    # Two figures are as much as a range tells.
    edges = np.unique([_two_figures(edge) for edge in np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])])
    place_N = np.searchsorted(edges, numbers, side="right")
    species = np.bincount(place_N, minlength=len(edges) + 1)
    if len(edges) < bins - 1 or species.min() < min_species:
        return f"a measure whose {len(numbers)} numbers are too much alike for {bins} states"
    ends = (min(numbers), *edges, max(numbers))
    states = tuple(f"{_two_figures(low):g}-{_two_figures(high):g} mm" for low, high in pairwise(ends))
    return Character(name, states, tuple(map(int, species)), tuple(map(float, edges)))


def _two_figures(number: float) -> float:
    return float(f"{number:.2g}")
