"""A split written down: the table that others can use, and what it holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from clipbio.data.digests import barcode_digest
from clipbio.data.manifest import SPLITS
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.scheme import PUBLISHED
from clipbio.errors import ClipbioError

__all__ = ["SplitCounts", "write_split_table"]


@dataclass
class SplitCounts:
    """How much of what is in a split."""

    specimens: int = 0
    groups: set[str] = field(default_factory=set)
    species: set[str] = field(default_factory=set)
    barcodes: set[bytes] = field(default_factory=set)

    def add(self, specimen: Specimen) -> None:
        """Count a specimen in."""
        self.specimens += 1
        self.groups.add(specimen.group)
        name = specimen.taxon.scientific_name or specimen.label
        self.species |= {name} if name else set()
        digest = barcode_digest(specimen.dna)
        self.barcodes |= {digest} if digest else set()


def write_split_table(specimens: Iterable[Specimen], out: Path) -> dict[str, SplitCounts]:
    """Write id and split of each specimen, and its published split where there is one.

    Args:
        specimens: Specimens with their split.
        out: A .csv or .parquet, which `split=file` reads.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise ClipbioError(f"out={out} must end in .csv or .parquet")
    rows: dict[str, list[str]] = {"specimen_id": [], "split": [], PUBLISHED: []}
    counts: dict[str, SplitCounts] = {}
    for specimen in specimens:
        counts.setdefault(specimen.split, SplitCounts()).add(specimen)
        published = str(specimen.metadata.get(PUBLISHED) or "")
        for column, value in zip(rows.values(), (specimen.id, specimen.split, published), strict=True):
            column.append(value)
    if not any(rows[PUBLISHED]):
        del rows[PUBLISHED]
    _write(pa.table({name: pa.array(column, pa.string()) for name, column in rows.items()}), out)
    return {name: counts[name] for name in SPLITS if name in counts}


def _write(table: pa.Table, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(f".{out.name}.{os.getpid()}")
        (pacsv.write_csv if out.suffix == ".csv" else pq.write_table)(table, temporary)
        temporary.replace(out)
    except OSError as error:
        raise ClipbioError(f"{out} cannot be written: {error.strerror or error}") from error
