"""Darwin Core Archives: downloads of GBIF, exports of Symbiota, and checklists with descriptions and common names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.sources.archive import Archive
from clipbio.data.sources.cells import given, text, texts
from clipbio.data.sources.darwin_core import KEPT_TERMS, TAXON_TERMS, name_of_taxon, split_media, taxon_of
from clipbio.data.sources.delimited import DelimitedFile
from clipbio.data.sources.meta_xml import MAX_BYTES, MetaFile, read_meta
from clipbio.data.sources.pictures import Medium, NamedBy, Pictures, check_folder, pictures_state
from clipbio.data.sources.records import Ids, chosen, kept_columns, pictured
from clipbio.data.sources.row_store import RowStore
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.names import clean_phrase

__all__ = ["DESCRIPTION_TYPES", "DwcaSource"]

DESCRIPTION_TYPES = ("general", "diagnostic", "morphology", "morphological", "description", "habit", "size")
"""Types of descriptions that tell what a species looks like."""

_MEDIA = ("Multimedia", "Image")
_TEXTS = {"Description": ("description", "description"), "VernacularName": ("vernacularName", "common_name")}
_PICTURE_WORDS = ("image", "photo", "jpg", "jpeg", "png", "tif")
_USED = frozenset({*TAXON_TERMS, "", "vernacularName", "license", "rights", "rightsHolder", "associatedMedia"})


class DwcaSource:
    """Read a Darwin Core Archive where it is, by the terms of its `meta.xml`; nothing is unpacked.

    Each picture of an occurrence is a specimen, those of one occurrence are a group. Of a taxon core the pictures of
    the taxa are specimens where they are given, and descriptions and common names are texts of species. Extensions are
    joined through a temporary file; in memory are the ids of the records and the names of the picture files.

    Args:
        root: The zip file, or the folder it was unpacked to.
        images: Folder with the downloaded pictures.
        images_named_by: Whether their files are named by their `address` or by the `id` of the record.
        description_types: Types of descriptions that are kept, None for all. One without type is always kept.
        metadata: Terms that are kept as metadata; None keeps all that are not empty.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        images: str | Path | None = None,
        images_named_by: NamedBy = "address",
        description_types: Sequence[str] | None = DESCRIPTION_TYPES,
        metadata: Sequence[str] | None = KEPT_TERMS,
    ) -> None:
        self.archive = Archive(Path(root))
        self.images = check_folder(images, images_named_by)
        self.description_types = None if description_types is None else frozenset(map(_kind, description_types))
        self.defects, self.named_by = Defects(), images_named_by
        self._meta = self.archive.find("meta.xml")
        described = self.archive.read(self._meta, MAX_BYTES)
        self.core, self.extensions = read_meta(described, f"{root}: meta.xml", {*_MEDIA, *_TEXTS})
        terms = {**self.core.terms, **self.core.defaults}
        self.metadata = kept_columns(metadata, terms, KEPT_TERMS, root)
        if self.metadata is not None:
            self.core = self.core.only({*_USED, *self.metadata})
        if self.core.row_type not in ("Occurrence", "Taxon"):
            raise ClipbioError(f"{root}: the core is '{self.core.row_type}'; cores of Occurrence and Taxon are read")

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, is_taxon = Ids(self.defects), self.core.row_type == "Taxon"
        pictures = Pictures(self.images, self.named_by, self.defects)
        with RowStore() as store:
            unclaimed = store.fill(self._media())
            for where, values in self._rows(self.core, self.defects):
                if not ids.claim(values[""], where):
                    continue
                media = [Medium(*row) for row in store.of(values[""])]
                unclaimed -= len(media)
                urls = split_media(values.get("associatedMedia"))
                media = media or [Medium((url,), metadata={"identifier": url}) for url in urls]
                # A taxon without pictures is no defect, and without a folder of pictures only its texts are wanted.
                if is_taxon and (self.images is None or not (media or pictures.numbered(values[""]))):
                    continue
                yield from pictured(self._record(values), media, pictures, where, ids, grouped=not is_taxon)
        if unclaimed:
            message = f"{unclaimed} pictures belong to no record of the core"
            self.defects.add("orphan_media", str(self.archive.path.name), message, skipped=False)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield the descriptions and common names of a taxon core."""
        tables = [table for table in self.extensions if table.row_type in _TEXTS]
        if self.core.row_type != "Taxon" or not tables:
            return
        with RowStore() as names:
            names.fill(self._names())
            for table in tables:
                for where, values in self._rows(table, self.defects):
                    if (found := self._text(table, values, names, where)) is not None:
                        yield found

    def fingerprint(self) -> str:
        """Hash the settings, the tables, and name, size and time of each picture."""
        types = None if self.description_types is None else sorted(self.description_types)
        tables = [self._path(name) for table in (self.core, *self.extensions) for name in table.locations]
        state = (
            types,
            self.metadata,
            self.named_by,
            self.archive.digest([self._meta, *tables]),
            pictures_state(self.images),
        )
        return hashlib.blake2b(repr(state).encode(), digest_size=16).hexdigest()

    def _path(self, location: str) -> str:
        return self._meta.removesuffix("meta.xml") + location

    def _rows(self, table: MetaFile, defects: Defects) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield place and values by term of each row of a table."""
        for location in table.locations:
            opened = partial(self.archive.open, self._path(location))
            file = DelimitedFile(location, opened, table.dialect, table.width)
            for number, cells in file.rows(defects):
                if len(cells) < table.width:
                    described = f"meta.xml describes {table.width} columns of {location}"
                    raise ClipbioError(f"{self.archive.path}: {described}, it has {len(cells)}; mend meta.xml")
                yield file.where(number), table.values(cells)

    def _media(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield id of the record, and addresses, licence, holder and metadata of each picture."""
        for table in self.extensions:
            if table.row_type in _MEDIA:
                for _, values in self._rows(table, self.defects):
                    if _is_picture(values):
                        yield values[""], _medium(values)

    def _record(self, values: Mapping[str, str]) -> Specimen:
        return Specimen(
            id=values[""],
            taxon=taxon_of(values),
            common_names=texts(values.get("vernacularName", "").split("|")),
            licence=_first(values, "license", "rights"),
            rights_holder=_first(values, "rightsHolder"),
            metadata=chosen(values, self.metadata, _USED),
        )

    def _names(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield id, and kingdom and name of each taxon."""
        # The defects of the core are counted when it is read for its specimens.
        for _, values in self._rows(self.core, Defects()):
            yield values[""], name_of_taxon(values)

    def _text(self, table: MetaFile, values: Mapping[str, str], names: RowStore, where: str) -> SpeciesText | None:
        term, kind = _TEXTS[table.row_type]
        told_type = text(values.get("type"))
        if kind == "description" and not self._is_wanted(told_type):
            return None
        owners = names.of(values[""])
        words = clean_phrase(text(values.get(term)))
        if not owners or not owners[0][1] or not words:
            reason = f"no taxon has the id '{values['']}'" if not owners else "its taxon has no name"
            message = reason if words else "the text is empty"
            self.defects.add("unusable_text", where, message, skipped=False)
            return None
        kingdom, name = owners[0]
        more = {"language": text(values.get("language")), "type": told_type, "source": text(values.get("source"))}
        licence = _first(values, "license", "rights")
        return SpeciesText(kingdom=kingdom, scientific_name=name, kind=kind, text=words, licence=licence, **more)

    def _is_wanted(self, told_type: str) -> bool:
        return not told_type or self.description_types is None or _kind(told_type) in self.description_types


def _kind(told: str) -> str:
    """Return a type of description without namespace: `SPMInfoItems#GeneralDescription` is `general`."""
    word = re.sub(r"[^a-z]", "", re.split(r"[#/]", told)[-1].lower())
    return word.removesuffix("description") or word


def _is_picture(values: Mapping[str, str]) -> bool:
    """Tell pictures from sounds and films by `type` and `format`, which people fill in their own ways or not at all."""
    kind, file_format = text(values.get("type")).lower(), text(values.get("format")).lower()
    if any(word in kind for word in ("moving", "sound", "audio", "video")):
        return False
    if any(word in kind for word in _PICTURE_WORDS):
        return True
    return any(word in file_format for word in _PICTURE_WORDS) if file_format else not kind


def _medium(values: Mapping[str, str]) -> tuple[Any, ...]:
    urls = [text(values.get(term)) for term in ("accessURI", "goodQualityAccessURI", "identifier")]
    told = {
        "identifier": next(filter(None, urls), ""),
        "caption": _first(values, "caption", "description", "title"),
        "subjectPart": text(values.get("subjectPart")),
        "subjectOrientation": text(values.get("subjectOrientation")),
    }
    licence = _first(values, "license", "UsageTerms", "WebStatement", "rights")
    holder = _first(values, "rightsHolder", "Owner", "creator")
    return [url for url in urls if url], licence, holder, {term: cell for term, cell in told.items() if cell}


def _first(values: Mapping[str, str], *terms: str) -> str:
    return next((cell for term in terms if (cell := given(values.get(term)))), "")
