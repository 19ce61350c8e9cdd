"""Small Darwin Core Archives and exported tables in the layouts of those who publish them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tables import encoded

DWC = "http://rs.tdwg.org/dwc/terms/"
DCT = "http://purl.org/dc/terms/"
GBIF = "http://rs.gbif.org/terms/1.0/"
AC = "http://rs.tdwg.org/ac/terms/"
RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"

TABS = {"fieldsTerminatedBy": "\\t", "linesTerminatedBy": "\\n", "fieldsEnclosedBy": "", "ignoreHeaderLines": "1"}
COMMAS = {"fieldsTerminatedBy": ",", "linesTerminatedBy": "\\n", "fieldsEnclosedBy": '"', "ignoreHeaderLines": "1"}


def table_xml(
    tag: str,
    row_type: str,
    location: str,
    terms: Sequence[str],
    *,
    dialect: Mapping[str, str] = TABS,
    encoding: str = "UTF-8",
    defaults: Mapping[str, str] | None = None,
    locations: Sequence[str] = (),
) -> str:
    """Describe a table whose first column is the id, and the others `terms`."""
    told = " ".join(f"{name}={quoteattr(value)}" for name, value in {"encoding": encoding, **dialect}.items())
    fields = [f'<field index="{index}" term="{term}"/>' for index, term in enumerate(terms, start=1)]
    fields += [f'<field default="{value}" term="{term}"/>' for term, value in (defaults or {}).items()]
    files = "".join(f"<location>{name}</location>" for name in (location, *locations))
    identity = "id" if tag == "core" else "coreid"
    inside = f'<files>{files}</files><{identity} index="0"/>{"".join(fields)}'
    return f'<{tag} {told} rowType="{row_type}">{inside}</{tag}>'


def meta_xml(*tables: str) -> str:
    """Return a `meta.xml`."""
    start = '<?xml version="1.0" encoding="UTF-8"?>\n<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">'
    return f"{start}{''.join(tables)}</archive>"


def tabbed(header: Sequence[str], rows: Sequence[Sequence[str]], end: str = "\n") -> str:
    """Return a table separated by tabs, without quotes."""
    return "".join("\t".join(row) + end for row in (header, *rows))


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files of an archive into a folder."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_pictures(folder: Path, names: Sequence[str]) -> Path:
    """Write small pictures under these names."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed, "PNG" if name.endswith("png") else "JPEG"))
    return folder


GBIF_TERMS = [
    f"{DCT}license", f"{DCT}rightsHolder", f"{DWC}occurrenceID", f"{DWC}institutionCode", f"{DWC}recordedBy",
    f"{DWC}eventDate", f"{DWC}year", f"{DWC}countryCode", f"{DWC}kingdom", f"{DWC}phylum", f"{DWC}class",
    f"{DWC}order", f"{DWC}family", f"{DWC}genus", f"{GBIF}species", f"{DWC}scientificName", f"{DWC}taxonRank",
    f"{DWC}vernacularName", f"{GBIF}mediaType",
]  # fmt: skip
GBIF_MEDIA_TERMS = [
    f"{DCT}{name}"
    for name in (
        "type", "format", "identifier", "references", "title", "description", "source", "audience", "created",
        "creator", "contributor", "publisher", "license", "rightsHolder",
    )
]  # fmt: skip
OAK = ["Plantae", "Tracheophyta", "Magnoliopsida", "Fagales", "Fagaceae", "Quercus", "Quercus robur"]


def gbif_row(identity: str, **more: str) -> list[str]:
    """Return a row of GBIF's `occurrence.txt`: an oak."""
    cells = dict(zip(GBIF_TERMS, [""] * len(GBIF_TERMS)))
    ranks = (f"{DWC}kingdom", f"{DWC}phylum", f"{DWC}class", f"{DWC}order", f"{DWC}family", f"{DWC}genus")
    cells |= dict(zip((*ranks, f"{GBIF}species"), OAK))
    cells |= {
        f"{DCT}license": "CC_BY_4_0",
        f"{DCT}rightsHolder": "The garden",
        f"{DWC}institutionCode": "K",
        f"{DWC}scientificName": "Quercus pedunculata Ehrh.",
        f"{DWC}taxonRank": "SPECIES",
    }
    by_name = {term.rpartition("/")[2]: term for term in GBIF_TERMS}
    cells |= {by_name[name]: value for name, value in more.items()}
    return [identity, *cells.values()]


def gbif_media(identity: str, url: str, **more: str) -> list[str]:
    """Return a row of GBIF's `multimedia.txt`."""
    cells = {"type": "StillImage", "format": "image/jpeg", "identifier": url} | more
    return [identity, *(cells.get(term.rpartition("/")[2], "") for term in GBIF_MEDIA_TERMS)]


def gbif_files(rows: Sequence[Sequence[str]], media: Sequence[Sequence[str]]) -> dict[str, str | bytes]:
    """Return the files of a GBIF download."""
    header = ["gbifID", *(term.rpartition("/")[2] for term in GBIF_TERMS)]
    media_header = ["gbifID", *(term.rpartition("/")[2] for term in GBIF_MEDIA_TERMS)]
    occurrence = f"{DWC}Occurrence"
    meta = meta_xml(
        table_xml("core", occurrence, "occurrence.txt", GBIF_TERMS),
        table_xml("extension", f"{GBIF}Multimedia", "multimedia.txt", GBIF_MEDIA_TERMS),
        table_xml("extension", occurrence, "verbatim.txt", [f"{DWC}genus"]),
    )
    return {
        "meta.xml": meta,
        "occurrence.txt": tabbed(header, rows),
        "multimedia.txt": tabbed(media_header, media),
        "verbatim.txt": tabbed(["gbifID", "genus"], [[row[0], "wrong"] for row in rows]),
        "metadata.xml": "<eml/>",
        "rights.txt": "CC BY",
        "citations.txt": "GBIF",
        "dataset/4fa7b334.xml": "<eml/>",
    }
