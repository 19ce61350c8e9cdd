"""A folder of traits: JSON lines, and a Darwin Core Archive of taxa, their descriptions and measurements."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.sax.saxutils import quoteattr

from clipbio.taxonomy import RANKS
from clipbio.traits.described import Described, identified
from clipbio.traits.measurements import MEASUREMENT_TERMS, measurements, one_line
from clipbio.traits.trait import Trait

__all__ = ["META", "TRAITS", "TraitArchive"]

TRAITS, META = "traits.jsonl", "meta.xml"

_DWC, _DC, _GBIF = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/", "http://rs.gbif.org/terms/1.0/"
_TAXON_TERMS = {name: f"{_DWC}{name}" for name in ("scientificName", "taxonRank", *RANKS[:-1], "specificEpithet")}
_DESCRIPTION_TERMS = {name: f"{_DC}{name}" for name in ("identifier", "description", "type", "language", "source")}
_DESCRIPTION_TERMS["license"] = f"{_DC}license"
_TABLES = {
    "taxon.csv": (f"{_DWC}Taxon", _TAXON_TERMS),
    "measurementorfact.csv": (f"{_DWC}MeasurementOrFact", MEASUREMENT_TERMS),
    "description.csv": (f"{_GBIF}Description", _DESCRIPTION_TERMS),
}


class TraitArchive:
    """Write a folder description by description: `traits.jsonl`, and an archive of which `taxon.csv` is the core.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._taxa: set[str] = set()

    def __enter__(self) -> TraitArchive:
        self._lines = self._files.enter_context((self._folder / TRAITS).open("w", encoding="utf-8"))
        self._rows = {name: self._table(name, terms) for name, (_, terms) in _TABLES.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        if kind is None:
            (self._folder / META).write_text(_meta_xml(), encoding="utf-8")

    def add(self, about: Described, traits: tuple[Trait, ...], *, group: str) -> None:
        """Write a description and its traits; `group` is the vocabulary that was used."""
        core = about.taxon_id
        if core not in self._taxa:
            self._taxa.add(core)
            self._rows["taxon.csv"].writerow({"taxonID": core, **_taxon(about)})
        self._rows["description.csv"].writerow({"taxonID": core, **_description(about)})
        for trait_id, trait in identified(about, traits):
            self._lines.write(json.dumps(_line(about, trait_id, trait, group), ensure_ascii=False) + "\n")
            for row in measurements(about, trait_id, trait, group=group):
                self._rows["measurementorfact.csv"].writerow({"taxonID": core, **row})

    def _table(self, name: str, terms: dict[str, str]) -> csv.DictWriter[str]:
        file = self._files.enter_context((self._folder / name).open("w", encoding="utf-8", newline=""))
        writer = csv.DictWriter(file, ["taxonID", *terms], lineterminator="\n")
        writer.writeheader()
        return writer


def _taxon(about: Described) -> dict[str, str]:
    taxon = about.taxon
    rank = taxon.deepest[0] if taxon.deepest else ""
    ranks = dict(zip(RANKS[:-1], taxon.ranks, strict=False))
    told = {"scientificName": about.name, "taxonRank": rank, **ranks, "specificEpithet": taxon.species}
    return {name: one_line(value) for name, value in told.items()}


def _description(about: Described) -> dict[str, str]:
    told = {"identifier": about.id, "description": about.text, "type": about.type, "language": about.language}
    told |= {"source": about.source, "license": about.licence}
    return {name: one_line(value) for name, value in told.items()}


def _line(about: Described, trait_id: str, trait: Trait, group: str) -> dict[str, Any]:
    """Return all that is known of a trait, in the order in which one would read it."""
    words = about.text[trait.organ_start : trait.organ_end] if trait.organ_start >= 0 else ""
    return {
        "id": trait_id,
        "scientific_name": about.name,
        "taxon_id": about.taxon_id,
        "specimen_id": about.specimen_id,
        "description_id": about.id,
        "character": trait.character,
        **asdict(trait),
        "organ_phrase": words,
        "group": group,
        "language": about.language,
        "source": about.source,
        "licence": about.licence,
    }


def _meta_xml() -> str:
    (core, (row_type, terms)), *extensions = _TABLES.items()
    parts = [_file("core", core, row_type, "id", {"taxonID": f"{_DWC}taxonID", **terms}, first=0)]
    parts += [_file("extension", name, kind, "coreid", columns, first=1) for name, (kind, columns) in extensions]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<archive xmlns="http://rs.tdwg.org/dwc/text/">\n{"".join(parts)}</archive>\n'
    )


def _file(tag: str, name: str, row_type: str, id_name: str, terms: dict[str, str], *, first: int) -> str:
    fields = "".join(
        f"    <field index={quoteattr(str(column))} term={quoteattr(uri)}/>\n"
        for column, uri in enumerate(terms.values(), start=first)
    )
    dialect = 'encoding="UTF-8" fieldsTerminatedBy="," linesTerminatedBy="\\n" fieldsEnclosedBy="&quot;"'
    return (
        f'  <{tag} {dialect} ignoreHeaderLines="1" rowType={quoteattr(row_type)}>\n'
        f"    <files><location>{name}</location></files>\n"
        f'    <{id_name} index="0"/>\n{fields}  </{tag}>\n'
    )
