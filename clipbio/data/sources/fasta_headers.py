"""What header lines of FASTA tell: an id, and in some layouts the taxon or the marker."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clipbio.data.sources.cells import given
from clipbio.data.sources.provisional import determination
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["HEADERS", "Header", "HeaderName", "header_form", "read_header"]

HeaderName = Literal["plain", "bold", "ranks", "lineage"]
HEADERS: tuple[HeaderName, ...] = ("plain", "bold", "ranks", "lineage")

# k:Animalia of SINTAX and UTAX, k__Animalia of QIIME and UNITE; d is the domain, which is no rank of ours.
_RANKED = re.compile(r"(?:^|[\s;,|=])([dkpcofgs])(?::|__)([^;,|]*)")
_LETTERS = {rank[0]: rank for rank in RANKS}
_BOLD = ("processid", "species", "marker", "insdc_acs")


@dataclass(frozen=True, slots=True)
class Header:
    """What one header tells; `id` is empty where it is a lineage alone."""

    id: str
    taxon: Taxon = field(default_factory=Taxon)
    label: str = ""
    marker: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def header_form(title: str) -> HeaderName:
    """Recognise the layout of a header by its signs."""
    if _RANKED.search(title):
        return "ranks"
    if title.count(";") > 1:
        return "lineage"
    return "bold" if title.count("|") in (2, 3) else "plain"


def read_header(title: str, form: HeaderName, levels: Sequence[str | None]) -> Header:
    """Read a header line.

    Args:
        title: The line without `>`.
        form: `bold` (`processid|species|marker|genbank`), `ranks` (a letter before each name: `id;tax=k:...,p:...` or
            `id k__...;p__...`), `lineage` (names alone, separated by `;`), `plain` (the first word is the id).
        levels: For `lineage`, the ranks of the names from left to right; None for a name that is left out.
    """
    if form == "bold":
        return _bold(title)
    if form == "ranks":
        return _ranks(title)
    return _lineage(title, levels) if form == "lineage" else _plain(title)


def _plain(title: str) -> Header:
    identity, _, more = title.strip().partition(" ")
    return Header(identity, metadata={"title": more.strip()} if more.strip() else {})


def _bold(title: str) -> Header:
    cells = dict(zip(_BOLD, map(given, title.split("|")), strict=False))
    taxon, label = _named(cells.get("species", ""))
    accession = cells.get("insdc_acs", "")
    metadata = {"insdc_acs": accession} if accession else {}
    return Header(cells["processid"], taxon, label, cells.get("marker", ""), metadata)


def _ranks(title: str) -> Header:
    first = _RANKED.search(title)
    before = title[: first.start()] if first else title
    identity = re.split(r"[\s;|]", before.strip(), maxsplit=1)[0]
    told = {_LETTERS[letter]: name for letter, name in _RANKED.findall(title) if letter in _LETTERS}
    return Header(identity, *_determined(told))


def _lineage(title: str, levels: Sequence[str | None]) -> Header:
    """Read `id A;B;C`, `id;A;B;C` is not told from it; a line that begins with its lineage has no id."""
    head, _, names = title.strip().partition(" ") if " " in title.split(";")[0].strip() else ("", "", title)
    parted = [name.strip() for name in (names or head).strip().strip(";").split(";")]
    told = {rank: name for rank, name in zip(levels, parted, strict=False) if rank}
    return Header(head if names else "", *_determined(told))


def _named(name: str) -> tuple[Taxon, str]:
    """Return the taxon of a name of unknown rank: a species, or a family where its ending is certain, or a label."""
    name = clean_phrase(name.replace("_", " "))
    if len(name.split()) > 1:
        return determination({"species": name})
    return (Taxon.from_mapping({"family": name}), "") if name.endswith("idae") else (Taxon(), name)


def _determined(told: Mapping[str, str]) -> tuple[Taxon, str]:
    """Return the taxon of names by rank, written with underscores for spaces, and a provisional name as label."""
    names = {rank: given(" ".join(name.replace("_", " ").split())) for rank, name in told.items()}
    species, genus = names.get("species", ""), names.get("genus", "")
    if species and genus and len(species.split()) == 1:
        names["species"] = f"{genus} {species}"
    return determination(names)
