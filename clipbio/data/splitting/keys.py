"""What may keep records together: keys of a specimen by name."""

from __future__ import annotations

import re
from collections.abc import Callable

from clipbio.data.digests import barcode_digest, image_digest
from clipbio.data.pictures import read_picture
from clipbio.data.sources.cells import text
from clipbio.data.specimen import Specimen
from clipbio.names import is_placeholder
from clipbio.taxonomy import RANKS

__all__ = ["KEYS", "fold", "key_reader", "name_as_given"]

Reader = Callable[[Specimen], str]

_DATES = ("eventdate", "event_date", "date", "observed_on", "collection_date", "collectiondate", "datecollected")
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")


def fold(value: object) -> str:
    """Return a value as it is compared: in small letters, with single spaces, `""` for what stands for a missing one.

    Two records of an "unknown" locality have nothing in common.
    """
    told = " ".join(text(value).casefold().split())
    missing = is_placeholder(told) if any(letter.isalpha() for letter in told) else not any(map(str.isdigit, told))
    return "" if missing else told


def name_as_given(specimen: Specimen, column: str = "label") -> str:
    """Return the species name before any cleaning.

    Provisional names (`Sciara sp. 4`) are no part of a taxon: they stand in the label, or in a column of the metadata.

    Args:
        specimen: A record.
        column: `label`, or a column of the metadata; the binomial stands in where it is empty.
    """
    given = specimen.label if column == "label" else specimen.metadata.get(column)
    return " ".join(str(given or "").split()) or specimen.taxon.scientific_name


def _image(specimen: Specimen) -> str:
    """Hash the bytes of the picture; one that cannot be read is a defect of the source, and joins nobody."""
    content = read_picture(specimen.image)
    return image_digest(content).hex() if content else ""


def _year(specimen: Specimen) -> str:
    """Return the year of collection: a column `year`, else the year in a column of dates."""
    columns = {name.lower(): str(value) for name, value in specimen.metadata.items()}
    for name in ("year", *_DATES):
        if found := _YEAR.search(columns.get(name, "")):
            return found.group()
    return ""


def _rank(place: int) -> Reader:
    return lambda specimen: specimen.taxon.ranks[place]


KEYS: dict[str, Reader] = {
    "specimen": lambda specimen: specimen.id,
    "group": lambda specimen: specimen.group_id,
    "image": _image,
    "barcode": lambda specimen: barcode_digest(specimen.dna).hex(),
    "bin": lambda specimen: specimen.bin,
    **{rank: _rank(place) for place, rank in enumerate(RANKS)},
    "species": lambda specimen: specimen.taxon.scientific_name,
    "year": _year,
}
"""Keys with a meaning of their own; every other name is a column of the metadata."""


def key_reader(name: str) -> Reader:
    """Return what reads a key from a specimen: `""` where it is not known."""
    return KEYS[name] if name in KEYS else lambda specimen: fold(specimen.metadata.get(name))
