"""DNA barcodes of the virtual flora: they evolve along the tree of the characters, vary within species and are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from clipbio.seeding import rng
from clipbio.virtual.evolution import Bases, evolve, first_sequence
from clipbio.virtual.sequencing import SequencingRates, read_barcode
from clipbio.virtual.tree import Species

__all__ = ["PRESETS", "BarcodeMode", "BarcodeRates", "Barcodes"]

BarcodeMode = Literal["clean", "typical", "noisy", "none"]

# Mean distance of two species of a genus along the tree, in the tree's units of time.
_SISTERS = 0.86
# How often each haplotype of a species occurs, and what part of the distance within a species lies between haplotypes.
_FREQUENCIES = (0.6, 0.25, 0.15)
_BETWEEN_HAPLOTYPES = 2 / 3
_DIFFERENT = 1 - sum(share**2 for share in _FREQUENCIES)


@dataclass(frozen=True, slots=True)
class BarcodeRates:
    """How different barcodes are, and how many there are.

    Args:
        between: Substitutions between two species of one genus, mean per 100 sites. Some hit a site twice: of 8 about 7
            are seen. The higher ranks follow from the tree: 12 % between genera of a family, 23 % between classes.
        within: Mean distance of two individuals of one species, in % of the sites.
        shared: Share of the species with an older sister in the genus that carry the haplotypes of that sister.
        missing_species: Share of the species without any barcode.
        missing: Share of the other individuals without a barcode.
        sequencing: What reading them adds.
    """

    between: float
    within: float
    shared: float = 0.0
    missing_species: float = 0.0
    missing: float = 0.0
    sequencing: SequencingRates = field(default_factory=SequencingRates)


# Their measure is animal COI: most species of a genus differ by 3 to 12 %, individuals of a species by less than 1 %.
# Of 34,420 butterfly barcodes 7 % have a haplotype that two species share, 28 % are incomplete, 0.7 % hold ambiguity
# codes.
PRESETS: Mapping[str, BarcodeRates] = {
    "clean": BarcodeRates(between=8.0, within=0.2),
    "typical": BarcodeRates(
        between=8.0,
        within=0.4,
        shared=0.08,
        missing_species=0.03,
        missing=0.10,
        sequencing=SequencingRates(errors=0.02, ambiguous=0.05, gaps=0.05, cut=0.2),
    ),
    "noisy": BarcodeRates(
        between=5.0,
        within=1.0,
        shared=0.25,
        missing_species=0.10,
        missing=0.35,
        sequencing=SequencingRates(errors=1.0, ambiguous=0.4, gaps=0.3, cut=0.5),
    ),
}


class Barcodes:
    """The barcodes of a flora.

    Every branch, species and individual has a random stream of its own, so that no barcode depends on how many others
    there are, and neither do the characters and pictures.

    Args:
        flora: The tips of the tree, by their `index`.
        rates: How they vary.
        seed: The seed of the flora.
    """

    def __init__(self, flora: Sequence[Species], rates: BarcodeRates, *, seed: int) -> None:
        self._rates, self._seed = rates, seed
        self._nodes: dict[tuple[int, ...], Bases] = {}
        self._haplotypes: dict[int, tuple[Bases, ...]] = {}
        self._by_path = {species.path: species for species in flora}

    def origin(self, species: Species) -> Species:
        """Return whose haplotypes a species carries: its own, or those of the sister that came before it."""
        number = species.path[-1]
        if number and self._random("shared", *species.path).random() < self._rates.shared:
            return self.origin(self._by_path[(*species.path[:-1], number - 1)])
        return species

    def true(self, species: Species, individual: int) -> Bases:
        """Return the barcode that an individual has, (L,)."""
        pool = self._pool(self.origin(species))
        random = self._random("individual", species.index, individual)
        haplotype = pool[int(random.choice(len(pool), p=_FREQUENCIES))]
        return evolve(haplotype, (1 - _BETWEEN_HAPLOTYPES) / 2 * self._rates.within / 100, random)

    def read(self, species: Species, individual: int) -> str:
        """Return the barcode as a laboratory would read it, `""` where none was made; all its sheets share it."""
        if self._random("missing", species.index).random() < self._rates.missing_species:
            return ""
        if self._random("missing", species.index, individual).random() < self._rates.missing:
            return ""
        random = self._random("sequencing", species.index, individual)
        return read_barcode(self.true(species, individual), self._rates.sequencing, random)

    def _pool(self, species: Species) -> tuple[Bases, ...]:
        if species.index not in self._haplotypes:
            mean, apart = self._node(species), _BETWEEN_HAPLOTYPES * self._rates.within / 100 / (2 * _DIFFERENT)
            self._haplotypes[species.index] = tuple(
                evolve(mean, apart, self._random("haplotype", species.index, number))
                for number in range(len(_FREQUENCIES))
            )
        return self._haplotypes[species.index]

    def _node(self, species: Species) -> Bases:
        """Evolve from the root down to a species; branches that several species share are walked once."""
        bases = self._nodes.get(())
        if bases is None:
            bases = self._nodes[()] = first_sequence(self._random("root"))
        for depth, length in enumerate(species.branches, start=1):
            path = species.path[:depth]
            if path not in self._nodes:
                distance = length / _SISTERS * self._rates.between / 100
                self._nodes[path] = evolve(bases, distance, self._random("branch", *path))
            bases = self._nodes[path]
        return bases

    def _random(self, *parts: int | str) -> np.random.Generator:
        return rng(self._seed, "virtual", "barcode", *parts)
