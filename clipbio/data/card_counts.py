"""What an index holds, counted batch by batch, so that a card of millions of specimens takes no more memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipbio.taxonomy import RANKS

__all__ = ["CardCounts", "PartCounts"]

_BATCH_ROWS = 8_192
_PARTS = ("split", "source")
_SPECIES = ("kingdom", "genus", "species")
_DIGESTS = ("image_digest", "dna_digest")


@dataclass
class PartCounts:
    """How much of what a split or a source holds; species by the numbers that `CardCounts` gives them."""

    specimens: int = 0
    images: int = 0
    barcodes: int = 0
    species: set[int] = field(default_factory=set)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Give the numbers as cells of a table."""
        return self.specimens, self.images, self.barcodes, len(self.species)


@dataclass
class CardCounts:
    """Counts of a whole index.

    Attributes:
        parts: Counts by `split` and by `source`, then by name.
        licences: Number of specimens by licence, `""` where none is told.
        holders: The rights holders.
        names: The names at each rank but species.
        known: Number of specimens by rank that have a name there.
        species: Number of each distinct kingdom, genus and epithet.
        specimens: Number of all specimens.
    """

    parts: dict[str, dict[str, PartCounts]] = field(
        default_factory=lambda: {by: defaultdict(PartCounts) for by in _PARTS}
    )
    licences: Counter[str] = field(default_factory=Counter)
    holders: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=lambda: {rank: set() for rank in RANKS[:-1]})
    known: Counter[str] = field(default_factory=Counter)
    species: dict[tuple[str, ...], int] = field(default_factory=dict)
    specimens: int = 0

    @classmethod
    def of(cls, path: Path) -> CardCounts:
        """Count what stands in an `index.parquet`."""
        counts = cls()
        columns = [*_PARTS, "licence", "rights_holder", *RANKS, *_DIGESTS]
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                counts._add(pa.Table.from_batches([batch]))
        return counts

    def _add(self, table: Any) -> None:
        self.specimens += len(table)
        self.licences.update(_tally(table["licence"]))
        self.holders.update(name for name in pc.unique(table["rights_holder"]).to_pylist() if name)
        for rank in RANKS[:-1]:
            tally = {name: count for name, count in _tally(table[rank]).items() if name}
            self.names[rank].update(tally)
            self.known[rank] += sum(tally.values())
        for (split, source, *name, image, barcode), count in _alike(table).items():
            number = self._number(tuple(name), count)
            for part in (self.parts["split"][split], self.parts["source"][source]):
                part.specimens += count
                part.images += image * count
                part.barcodes += barcode * count
                if number is not None:
                    part.species.add(number)

    def _number(self, name: tuple[str, ...], count: int) -> int | None:
        if not (name[1] and name[2]):
            return None
        self.known["species"] += count
        return self.species.setdefault(name, len(self.species))


def _tally(column: Any) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()}


def _alike(table: Any) -> Counter[tuple[Any, ...]]:
    """Count the specimens of a batch that are alike in split, source, species, and in having an image and a barcode."""
    there = (pc.fill_null(pc.not_equal(pc.binary_length(table[name]), 0), False) for name in _DIGESTS)
    columns = [*(table[name] for name in (*_PARTS, *_SPECIES)), *there]
    # Not `group_by`: what it loads takes longer than all the rest of a small card.
    return Counter(zip(*(column.to_pylist() for column in columns), strict=True))
