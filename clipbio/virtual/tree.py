"""A random tree of species along which the characters evolve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from clipbio.seeding import rng
from clipbio.virtual.characters import CHARACTERS, MEASURES, PROMINENT, state_of
from clipbio.virtual.names import NameBook

__all__ = ["MIN_DIFFERENCES", "Species", "grow"]

# Branch lengths in units of time; the tips are as long as they are so that sisters differ, yet are recognisable.
_BRANCH = {"class": 1.0, "order": 0.8, "family": 0.6, "genus": 0.5, "species": 0.4}
MIN_DIFFERENCES = 3  # prominent characters in which any two species differ
_CROWDED = ("raceme", "spike", "umbel", "panicle")


@dataclass(frozen=True, slots=True)
class Species:
    """A tip of the tree: its seven ranks (epithet last), common name, character states and mean sizes.

    `path` numbers the class, the order in the class and so on down to the species in the genus; `branches` holds the
    lengths of the branches that lead there, in units of time.
    """

    index: int
    path: tuple[int, ...]
    branches: tuple[float, ...]
    ranks: tuple[str, ...]
    common_name: str
    states: Mapping[str, str]
    means: Mapping[str, float]

    @property
    def scientific_name(self) -> str:
        """Return the binomial."""
        return f"{self.ranks[5]} {self.ranks[6]}"


@dataclass(slots=True)
class _Lineage:
    """The state of evolution at a node."""

    states: np.ndarray
    sizes: np.ndarray  # position of each measure between its bounds, in log space: 0 .. 1
    path: tuple[int, ...] = ()
    branches: tuple[float, ...] = ()

    def descend(self, rank: str, number: int, random: np.random.Generator) -> _Lineage:
        """Evolve along the branch to a child: Markov jumps for states, Brownian motion for sizes, kept in bounds."""
        evolved, length = self._evolve(rank, random)
        return replace(evolved, path=(*self.path, number), branches=(*self.branches, length))

    def lengthen(self, rank: str, random: np.random.Generator) -> _Lineage:
        """Evolve further along the last branch."""
        evolved, length = self._evolve(rank, random)
        return replace(evolved, path=self.path, branches=(*self.branches[:-1], self.branches[-1] + length))

    def _evolve(self, rank: str, random: np.random.Generator) -> tuple[_Lineage, float]:
        length = _BRANCH[rank] * float(random.uniform(0.7, 1.3))
        states = self.states.copy()
        for index, character in enumerate(CHARACTERS):
            if random.random() < -np.expm1(-character.rate * length):
                states[index] = character.draw(random)
        rates = np.array([measure.rate for measure in MEASURES])
        sizes = np.abs(self.sizes + random.normal(size=len(MEASURES)) * rates * np.sqrt(length))
        return _Lineage(states, np.clip(1 - np.abs(1 - sizes), 0, 1)), length


@dataclass(slots=True)
class _Flora:
    """What has been grown so far."""

    species: list[Species] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)

    def differs(self, states: np.ndarray) -> bool:
        if not self.states:
            return True
        differences = (np.stack(self.states) != states)[:, PROMINENT].sum(axis=1)
        return bool(differences.min() >= MIN_DIFFERENCES)


def grow(num_species: int, *, seed: int) -> tuple[Species, ...]:
    """Grow a tree with `num_species` tips; the same arguments give the same flora."""
    random = rng(seed, "virtual", "tree")
    names = NameBook(rng(seed, "virtual", "names"))
    root = _Lineage(
        np.array([character.draw(random) for character in CHARACTERS]), random.uniform(0, 1, size=len(MEASURES))
    )
    flora = _Flora()
    number = 0
    while len(flora.species) < num_species:
        _grow_class(flora, root.descend("class", number, random), num_species, names, random)
        number += 1
    return tuple(flora.species)


def _grow_class(
    flora: _Flora, lineage: _Lineage, num_species: int, names: NameBook, random: np.random.Generator
) -> None:
    above = ("Plantae", names.higher("ophyta"), names.higher("opsida"))
    for order_number in range(int(random.integers(3, 7))):
        order, order_name = lineage.descend("order", order_number, random), names.higher("ales")
        for family_number in range(int(random.integers(2, 5))):
            family, family_name = order.descend("family", family_number, random), names.higher("aceae")
            for genus_number in range(int(random.integers(2, 6))):
                if len(flora.species) >= num_species:
                    return
                genus = family.descend("genus", genus_number, random)
                count = min(int(random.integers(2, 8)), num_species - len(flora.species))
                _grow_genus(flora, genus, (*above, order_name, family_name), count, names, random)


def _grow_genus(
    flora: _Flora, genus: _Lineage, above: tuple[str, ...], count: int, names: NameBook, random: np.random.Generator
) -> None:
    genus_name, noun = names.genus(), names.noun()
    for number in range(count):
        tip = genus.descend("species", number, random)
        while not flora.differs(tip.states):
            tip = tip.lengthen("species", random)
        flora.states.append(tip.states)
        flora.species.append(
            Species(
                index=len(flora.species),
                path=tip.path,
                branches=tip.branches,
                ranks=(*above, genus_name, names.epithet()),
                common_name=f"{names.place()}'s {noun}",
                states={c.name: state_of(tip.states, c.name) for c in CHARACTERS},
                means=_means(tip),
            )
        )


def _means(tip: _Lineage) -> dict[str, float]:
    means = {
        measure.name: float(measure.low * (measure.high / measure.low) ** place)
        for measure, place in zip(MEASURES, tip.sizes, strict=True)
    }
    # Many-flowered inflorescences bear smaller flowers, as in nature; otherwise they would hide one another.
    if state_of(tip.states, "inflorescence") in _CROWDED:
        means["flower_diameter_mm"] *= 0.6
    return means
