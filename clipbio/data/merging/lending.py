"""Pictures of some individuals and barcodes of others: a picture borrows a barcode of its species."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from clipbio.data.digests import barcode_digest
from clipbio.data.manifest import SPLITS
from clipbio.data.sources.wrapped import WrappedSource
from clipbio.data.specimen import Specimen
from clipbio.seeding import derive_seed

__all__ = ["BARCODE_FROM", "LentBarcodes", "deal"]

logger = logging.getLogger(__name__)

BARCODE_FROM = "barcode_from"
"""Column of the metadata with the id of the record that lent its barcode."""

_SEVERAL = ""
_Donor = tuple[str, str]


@dataclass
class _Species:
    """What a species has to lend: a donor of each distinct barcode; and how many records of a split want one."""

    wanting: Counter[str] = field(default_factory=Counter)
    donors: dict[bytes, _Donor] = field(default_factory=dict)

    def offer(self, digest: bytes, id_: str, dna: str) -> None:
        """Take a donor; of several with one barcode the one with the first id stays, in whatever order they come."""
        known = self.donors.get(digest)
        self.donors[digest] = min(known, (id_, dna)) if known else (id_, dna)


@dataclass(frozen=True)
class _Decided:
    """The donors (id and barcode) for each species and split, and the number of records that are left out."""

    lent: Mapping[tuple[str, str], list[_Donor]]
    wanting: frozenset[str]
    left_out: int


class LentBarcodes(WrappedSource):
    """Let records with a picture and no barcode borrow one of their species from records without a picture.

    No barcode comes to stand in two splits: the distinct ones of a species are dealt to the splits of its pictures (see
    `deal`). Pictures of one individual borrow the same. Records of these species that have nothing but a barcode are
    left out, lent or not. Only species with a binomial borrow, and none whose name two kingdoms bear.

    Args:
        source: The records with the splits that they will have. It is read three times.
    """

    rule = "lent barcodes"

    @property
    def total(self) -> int | None:
        """Give the number of records that are handed on, unusable ones included, if the source knows its own."""
        total = super().total
        return None if total is None else total - self._decided.left_out

    def __iter__(self) -> Iterator[Specimen]:
        decided = self._decided
        for specimen in self.source:
            species = specimen.taxon.scientific_name
            if species not in decided.wanting:
                yield specimen
            elif _wants(specimen):
                yield _borrowing(specimen, decided.lent.get((species, specimen.split), ()))
            elif not _donates(specimen):
                yield specimen

    @cached_property
    def _decided(self) -> _Decided:
        species, placed, left_out = self._wanting(), dict[bytes, str](), 0
        for specimen in self.source:
            if not (digest := barcode_digest(specimen.dna)):
                continue
            found = species.get(specimen.taxon.scientific_name)
            if found is not None and specimen.image is None:
                found.offer(digest, specimen.id, specimen.dna)
                left_out += 1
            elif placed.setdefault(digest, specimen.split) != specimen.split:
                placed[digest] = _SEVERAL
        lent = _dealt(species, placed)
        logger.info(
            "%d of %d species with pictures borrow, %d distinct barcodes in all; %d records with nothing but a barcode "
            "of these species are left out",
            len({name for name, _ in lent}), len(species), sum(map(len, lent.values())), left_out,
        )  # fmt: skip
        return _Decided(lent, frozenset(species), left_out)

    def _wanting(self) -> dict[str, _Species]:
        """Count the records that want a barcode, by species and split; names of two kingdoms are left out."""
        species: dict[str, _Species] = defaultdict(_Species)
        kingdoms: dict[str, str] = {}
        several = set()
        for specimen in self.source:
            name, kingdom = specimen.taxon.scientific_name, specimen.taxon.kingdom
            if not name:
                continue
            if kingdom and kingdoms.setdefault(name, kingdom) != kingdom:
                several.add(name)
            if _wants(specimen):
                species[name].wanting[specimen.split] += 1
        for name in sorted(several & set(species)):
            logger.warning("%s is a name of two kingdoms: its pictures borrow no barcodes", name)
            del species[name]
        return dict(species)


def _dealt(species: Mapping[str, _Species], placed: dict[bytes, str]) -> dict[tuple[str, str], list[_Donor]]:
    """Return the donors for each species and split."""
    return {
        (name, split): [one.donors[digest] for digest in digests]
        for name, one in sorted(species.items())
        for split, digests in deal(one.donors, one.wanting, placed).items()
    }


def deal(digests: Iterable[bytes], wanting: Mapping[str, int], placed: dict[bytes, str]) -> dict[str, list[bytes]]:
    """Deal the distinct barcodes of a species to its splits.

    Each split gets one before any gets two, `train` first, then in the order of the house; further ones go by the
    number of records that want one, and no split gets more than that. Hashes alone tell which barcode goes where.

    Args:
        digests: The barcodes.
        wanting: The number of records that want one, by split.
        placed: The split in which a barcode stands already, `""` for several: it is lent to no other one. What is
            dealt is added.
    """
    dealt: dict[str, list[bytes]] = {split: [] for split in SPLITS if wanting.get(split)}
    free = []
    for digest in sorted(digests):
        if digest not in placed:
            free.append(digest)
        elif placed[digest] in dealt:
            dealt[placed[digest]].append(digest)
    for digest in free:
        if (split := _next(dealt, wanting)) is None:
            break
        dealt[split].append(digest)
        placed[digest] = split
    return {split: given for split, given in dealt.items() if given}


def _next(dealt: Mapping[str, list[bytes]], wanting: Mapping[str, int]) -> str | None:
    """Return the split that gets the next barcode: one without any, else the one with most records for each."""
    for split, given in dealt.items():
        if not given:
            return split
    unsated = [split for split, given in dealt.items() if len(given) < wanting[split]]
    return max(unsated, key=lambda split: wanting[split] / (len(dealt[split]) + 1), default=None)


def _wants(specimen: Specimen) -> bool:
    return specimen.image is not None and not barcode_digest(specimen.dna)


def _donates(specimen: Specimen) -> bool:
    return specimen.image is None and bool(barcode_digest(specimen.dna))


def _borrowing(specimen: Specimen, donors: Sequence[_Donor]) -> Specimen:
    """Return a record with the barcode that its individual draws among the donors, if there are any."""
    if not donors:
        return specimen
    id_, dna = donors[derive_seed("lent barcode", specimen.group) % len(donors)]
    return replace(specimen, dna=dna, metadata={**specimen.metadata, BARCODE_FROM: id_})
