"""The seven ranks, and the name of a living thing along them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from clipbio.names import binomial, clean_rank

__all__ = ["RANKS", "Taxon", "class_name", "stable_hash"]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")

_KINGDOM_SYNONYMS = {
    "Metazoa": "Animalia",
    "Archaeplastida": "Plantae",
    "Chloroplastida": "Plantae",
    "Viridiplantae": "Plantae",
}


@dataclass(frozen=True, slots=True)
class Taxon:
    """What a specimen was determined to be: one cleaned name per rank, `""` where it is not known.

    `species` is the epithet. `Taxon.from_mapping` cleans; the constructor takes names that are clean already.
    """

    kingdom: str = ""
    phylum: str = ""
    class_: str = ""
    order: str = ""
    family: str = ""
    genus: str = ""
    species: str = ""

    @classmethod
    def from_mapping(cls, row: Mapping[str, object]) -> Taxon:
        """Clean the values that `row` has under the names of the ranks; nothing that stands there raises.

        Names are cut to the canonical form (see `clipbio.names`). A species that is only known as `sp.`, and one given
        in open nomenclature (`cf. robur`, `aff. robur`, `sp. 1`, a hybrid formula), has no epithet: the record counts
        as determined to its genus. Provisional names that should stay apart belong in `label` or `bin`.
        """
        return _clean(tuple("" if (value := row.get(rank)) is None else str(value) for rank in RANKS))

    @property
    def ranks(self) -> tuple[str, ...]:
        """Return the seven names in the order of `RANKS`."""
        return (self.kingdom, self.phylum, self.class_, self.order, self.family, self.genus, self.species)

    @property
    def scientific_name(self) -> str:
        """Return the binomial, `""` unless genus and epithet are known."""
        return f"{self.genus} {self.species}" if self.genus and self.species else ""

    @property
    def deepest(self) -> tuple[str, str] | None:
        """Return the lowest known rank and the name at it, the binomial for a species, None when nothing is known."""
        if self.scientific_name:
            return "species", self.scientific_name
        known = [(rank, name) for rank, name in zip(RANKS[:-1], self.ranks, strict=False) if name]
        return known[-1] if known else None

    @property
    def is_empty(self) -> bool:
        """Tell whether no rank is known."""
        return self.deepest is None

    def lineage(self, rank: str) -> tuple[str, ...]:
        """Return the names from kingdom down to `rank`, `""` where one is missing."""
        return self.ranks[: RANKS.index(rank) + 1]

    @property
    def rank_keys(self) -> tuple[int, ...]:
        """Return one key per rank, -1 where that rank is not known: a hash of rank, kingdom and name.

        Names are unique within a kingdom by the codes of nomenclature. The ranks between take no part, so that a record
        which leaves one of them out keeps the keys of the others. The last key is that of the species.
        """
        return _rank_keys(self)

    @property
    def key(self) -> int:
        """Return the key of the deepest known rank, without any rank -1.

        The plant and the animal of one name stay apart.
        """
        return next((key for key in reversed(self.rank_keys) if key != -1), -1)


def class_name(taxon: Taxon, label: str = "") -> str:
    """Name the class of a thing: its binomial, else its label, else its deepest taxon, empty if nothing names it."""
    return taxon.scientific_name or label or (taxon.deepest or ("", ""))[1]


def stable_hash(*parts: str) -> int:
    """Return a hash of `parts` in [0, 2**63) that is the same on every machine and in every process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little") + data)
    return int.from_bytes(digest.digest(), "little") >> 1


@lru_cache(maxsize=65536)
def _clean(raw: tuple[str, ...]) -> Taxon:
    kingdom, phylum, class_, order, family = map(clean_rank, raw[:-2])
    kingdom = _KINGDOM_SYNONYMS.get(kingdom, kingdom)
    return Taxon(kingdom, phylum, class_, order, family, *binomial(raw[-2], raw[-1]))


@lru_cache(maxsize=65536)
def _rank_keys(taxon: Taxon) -> tuple[int, ...]:
    names: list[tuple[str, ...]] = [(name,) if name else () for name in taxon.ranks[:-1]]
    names.append((taxon.genus, taxon.species) if taxon.scientific_name else ())
    return tuple(
        stable_hash(rank, taxon.kingdom, *name) if name else -1 for rank, name in zip(RANKS, names, strict=True)
    )
