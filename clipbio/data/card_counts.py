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

_BATCH_ROWS = 65_536
_PARTS = ("split", "source")
_SPECIES = ("kingdom", "genus", "species")
_DIGESTS = {"images": "image_digest", "barcodes": "dna_digest"}


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
        columns = [*_PARTS, "licence", "rights_holder", *RANKS, *_DIGESTS.values()]
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
        for group in _groups(table):
            self._add_group(group)

    def _add_group(self, group: dict[str, Any]) -> None:
        """Count the specimens of a batch that are alike in split, source and species."""
        name = tuple(group[rank] for rank in _SPECIES)
        number = self.species.setdefault(name, len(self.species)) if name[1] and name[2] else None
        if number is not None:
            self.known["species"] += group["count_all"]
        for by in _PARTS:
            part = self.parts[by][group[by]]
            part.specimens += group["count_all"]
            part.images += group["images_sum"]
            part.barcodes += group["barcodes_sum"]
            part.species.update(() if number is None else (number,))


def _tally(column: Any) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()}


def _groups(table: Any) -> list[dict[str, Any]]:
    keys = [*_PARTS, *_SPECIES]
    columns = {name: table[name] for name in keys}
    for name, digest in _DIGESTS.items():
        there = pc.not_equal(pc.binary_length(table[digest]), 0)
        columns[name] = pc.fill_null(there, False).cast(pa.int64())
    sums = [(name, "sum") for name in _DIGESTS]
    groups: list[dict[str, Any]] = pa.table(columns).group_by(keys).aggregate([*sums, ([], "count_all")]).to_pylist()
    return groups
