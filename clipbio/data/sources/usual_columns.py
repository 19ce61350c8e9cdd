"""Which column of somebody's table is what: names that people usually give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import RANKS

__all__ = ["FIELDS", "columns_of"]

_USUAL = {
    "specimen_id": ("specimen_id", "id", "uuid", "key", "image_id", "processid", "sampleid", "gbifid"),
    "image": ("image", "img", "picture", "photo", "jpg"),
    **{rank: (rank,) for rank in RANKS},
    "scientific_name": ("scientific_name", "sciname", "canonical_name", "species_name", "binomial"),
    "common_name": ("common_name", "vernacular_name", "common"),
    "description": ("description", "caption", "text"),
    "dna": ("dna", "dna_barcode", "nucraw", "nucleotides", "sequence"),
    "bin": ("bin", "dna_bin", "bin_uri"),
    "label": ("label", "labels", "class_name", "fine_label"),
    "group_id": ("group_id", "observation_id", "occurrence_id", "individual_id"),
    "licence": ("licence", "license"),
    "rights_holder": ("rights_holder", "copyright_holder"),
}
FIELDS = tuple(_USUAL)
"""What a column may be: columns of the specimen table, and `scientific_name` for a binomial in one cell."""


def columns_of(present: Sequence[str], given: Mapping[str, str | None] | None = None, *, where: str) -> dict[str, str]:
    """Return field -> column, as given and else as usually named; a field given as None has no column.

    Raises:
        ClipbioError: A field or a column of `given` is unknown.
    """
    given = given or {}
    for field, column in given.items():
        if field not in FIELDS:
            raise ClipbioError(f"columns.{field} is unknown{nearest(field, FIELDS)}")
        if column is not None and column not in present:
            raise ClipbioError(f"{where} has no column '{column}'{nearest(column, present)}")
    found = {field: column for field, column in given.items() if column is not None}
    free = {_plain(column): column for column in reversed(present) if column not in found.values()}
    for field, names in _USUAL.items():
        column = next((free[_plain(name)] for name in names if _plain(name) in free), None)
        if field not in given and column is not None:
            found[field] = column
    return _without_class_of_objects(found, given)


def _without_class_of_objects(found: dict[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Read a lone column `class` as a label: it is a taxonomic class only beside other ranks."""
    if "class" in found and "class" not in given and not {"phylum", "order", "family"} & set(found):
        column = found.pop("class")
        if "label" not in given:
            found.setdefault("label", column)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
