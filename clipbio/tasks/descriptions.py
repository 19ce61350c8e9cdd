"""The descriptions of a source: those of its species, and those that stand with single specimens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clipbio.data.foreign.folders import find_foreign
from clipbio.data.manifest import MANIFEST
from clipbio.data.roots import local_folder
from clipbio.data.sources import Source, expected_total
from clipbio.data.sources.table import TableSource, find_specimens
from clipbio.data.sources.webdataset import WebdatasetSource
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar
from clipbio.tasks.sources import build_source
from clipbio.taxonomy import Taxon, class_name
from clipbio.traits import Described

__all__ = ["asked_source", "descriptions_of", "one_text", "text_of_file"]


def asked_source(config: Mapping[str, Any]) -> Source:
    """Return the source of a config: `data.root`, or `source` or `sources`.

    Raises:
        ClipbioError: Neither or both are given, or there is nothing that can be read.
    """
    root = config["data"]["root"]
    from_source = bool(config.get("source") or config["sources"])
    if (root is None) != from_source:
        told = "give one of them" if from_source else "one of them is needed, or a description in quotes"
        raise ClipbioError(f"data.root=FOLDER (shards or a specimen table) or source=NAME source.root=FOLDER: {told}")
    if from_source:
        return build_source(config)
    folder = local_folder(str(root), "data.root")
    if folder.is_dir() and find_specimens(folder):
        return TableSource(folder)
    if (folder / MANIFEST).is_file() or (folder.is_dir() and find_foreign(folder)):
        return WebdatasetSource(str(folder))
    raise ClipbioError(
        f"data.root={root} is neither a shard folder ({MANIFEST}, or tars) nor the folder of a specimen table; "
        "give other formats with source=NAME source.root=FOLDER"
    )


def descriptions_of(source: Source, *, progress: bool = True) -> list[Described]:
    """Return each description of a source once: those of species first, then those of specimens.

    A text that several specimens of a taxon bear is taken for one about the taxon. The lineage of a species text is
    that of the specimens of its name.
    """
    taxa: dict[str, list[Taxon]] = defaultdict(list)
    own: dict[tuple[Taxon, str, str], Specimen | None] = {}
    with progress_bar(enabled=progress) as bar:
        task = bar.add_task("reading specimens", total=expected_total(source))
        for specimen in source:
            bar.advance(task)
            name = specimen.species
            if specimen.taxon not in taxa[name]:
                taxa[name].append(specimen.taxon)
            for text in filter(None, map(str.strip, specimen.descriptions)):
                key = (specimen.taxon, name, text)
                own[key] = None if key in own else specimen
        of_species = list(_of_species(source.species_texts(), taxa))
    known = {(one.name, one.text) for one in of_species}
    alone = (_of_specimen(*key, specimen) for key, specimen in own.items() if key[1:] not in known)
    return [*dict.fromkeys(of_species), *alone]


def _of_species(texts: Iterable[SpeciesText], taxa: Mapping[str, list[Taxon]]) -> Iterable[Described]:
    for text in texts:
        if text.kind == "description":
            yield Described(
                text=text.text,
                taxon=_taxon(text, taxa),
                name=text.scientific_name,
                language=text.language,
                type=text.type,
                source=text.source,
                licence=text.licence,
            )


def _taxon(text: SpeciesText, taxa: Mapping[str, list[Taxon]]) -> Taxon:
    """Return the taxon of the specimens of a name, of its kingdom; one made of name and kingdom where there is none."""
    borne = [
        taxon
        for taxon in taxa.get(text.scientific_name, ())
        if not text.kingdom or not taxon.kingdom or taxon.kingdom.casefold() == text.kingdom.casefold()
    ]
    if borne:
        # The most complete one: some records of a species tell less of its lineage.
        return max(borne, key=lambda taxon: sum(map(bool, taxon.ranks)))
    rank = "species" if " " in text.scientific_name else "genus"
    taxon = Taxon.from_mapping({"kingdom": text.kingdom, rank: text.scientific_name})
    return taxon if class_name(taxon) == text.scientific_name else Taxon(kingdom=text.kingdom)


def _of_specimen(taxon: Taxon, name: str, text: str, specimen: Specimen | None) -> Described:
    if specimen is None:
        return Described(text=text, taxon=taxon, name=name)
    return Described(text=text, taxon=taxon, name=name, specimen_id=specimen.id, licence=specimen.licence)


def one_text(text: str, name: str, source: str = "") -> Described:
    """Return a text that was given as such."""
    taxon = Taxon.from_mapping({"species": name}) if " " in name else Taxon.from_mapping({"genus": name})
    return Described(text=text, taxon=taxon, name=class_name(taxon, name), source=source)


def text_of_file(path: Path) -> str:
    """Return the text of a file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClipbioError(f"file={path} is no UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ClipbioError(f"file={path} cannot be read: {error.strerror or error}") from error
