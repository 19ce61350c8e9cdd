"""Small checklists, written in the forms that they are published in."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.resolving import Resolver
from clipbio.taxonomy import RANKS, Taxon

GBIF_HEADER = (
    *("taxonID", "datasetID", "parentNameUsageID", "acceptedNameUsageID", "originalNameUsageID", "scientificName"),
    *("scientificNameAuthorship", "canonicalName", "genericName", "specificEpithet", "infraspecificEpithet"),
    *("taxonRank", "nameAccordingTo", "namePublishedIn", "taxonomicStatus", "nomenclaturalStatus", "taxonRemarks"),
    *("kingdom", "phylum", "class", "order", "family", "genus"),
)
Row = dict[str, str]


def lineage(text: str) -> Taxon:
    """Read `Animalia Chordata Aves - - Pica hudsonia`: seven names, `-` for a missing one."""
    return Taxon(*("" if word == "-" else word for word in text.split()))


def table_rows(taxa: Sequence[str], synonyms: Mapping[str, str] | None = None) -> list[Row]:
    """Return the rows of a plain table: each name of the lineages once, then synonyms (name: accepted name)."""
    rows: dict[tuple[str, str, str], Row] = {}
    for text in taxa:
        taxon, parent = lineage(text), ""
        for rank in RANKS:
            name = taxon.scientific_name if rank == "species" else taxon.ranks[RANKS.index(rank)]
            if name:
                row = {"name": name, "rank": rank, "status": "accepted", "accepted": "", "parent": parent}
                rows.setdefault((name, rank, taxon.kingdom), row | {"kingdom": taxon.kingdom})
                parent = name
    for name, accepted in (synonyms or {}).items():
        kingdom = next(row["kingdom"] for row in rows.values() if row["name"] == accepted)
        rank = next(row["rank"] for row in rows.values() if row["name"] == accepted)
        row = {"name": name, "rank": rank, "status": "synonym", "accepted": accepted, "parent": "", "kingdom": kingdom}
        rows[name, rank, kingdom + "-"] = row
    return list(rows.values())


def write_rows(path: Path, rows: Sequence[Row], header: Sequence[str] | None = None) -> Path:
    """Write rows as TSV without quoting, or as CSV."""
    names = list(header or rows[0])
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path
    lines = ["\t".join(names), *("\t".join(row.get(name, "") for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def resolver_of(
    path: Path, taxa: Sequence[str], synonyms: Mapping[str, str] | None = None, **settings: str
) -> Resolver:
    """Write a plain table into a folder and return what resolves names by it."""
    return Resolver(Checklist.load(write_rows(path / "names.csv", table_rows(taxa, synonyms))), **settings)
