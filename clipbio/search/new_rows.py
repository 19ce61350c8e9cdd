"""What is appended to an index, and how it lies in a table.

Shape suffixes: B rows of one batch, n those of them that have a vector, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from clipbio.data.specimen import Specimen
from clipbio.search.metadata import metadata_columns, text_of
from clipbio.search.query import Array
from clipbio.taxonomy import RANKS

__all__ = ["COLUMNS", "META", "EncodeText", "ImagePlace", "NewRows", "row_table"]

META = "meta."
"""What names of metadata columns begin with in a table."""
EncodeText = Callable[[Sequence[str]], Array]
"""Texts to unit vectors (T, D): numpy, or a tensor on the CPU."""

_TEXT = ("id", *RANKS, "name", "common_name", "label", "licence", "rights_holder", "source", "split", "image_file")
_NUMBERS = ("image_offset", "image_length", "picture_offset", "picture_length")
COLUMNS = pa.schema(
    [(name, pa.string()) for name in _TEXT]
    + [("group", pa.int32()), ("image_folder", pa.int32())]
    + [(name, pa.int64()) for name in _NUMBERS]
)


@dataclass(frozen=True)
class ImagePlace:
    """Where the picture of a specimen lies: a file below `folder`, whole (`length` -1) or a part of it, as in a tar."""

    folder: str
    file: str
    offset: int = 0
    length: int = -1


@dataclass(frozen=True)
class NewRows:
    """Some specimens, with what is stored for them.

    Args:
        specimens: B of them; their pictures are not looked at.
        vectors: By modality (`image`, `dna`): which rows have one (B,), and the vectors of those (n, D).
        pictures: A small encoded picture for each, or None; empty if there are none at all.
        places: Where the full picture lies, or None; empty if none is told.
    """

    specimens: Sequence[Specimen]
    vectors: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    pictures: Sequence[bytes | None] = ()
    places: Sequence[ImagePlace | None] = ()

    def __post_init__(self) -> None:
        count = len(self.specimens)
        lengths = {"pictures": len(self.pictures) or count, "places": len(self.places) or count}
        lengths |= {name: len(mask_B) for name, (mask_B, _) in self.vectors.items()}
        for name, length in lengths.items():
            if length != count:
                raise ValueError(f"{length} {name} for {count} specimens")
        for name, (mask_B, vectors_nD) in self.vectors.items():
            if vectors_nD.ndim != 2 or int(mask_B.sum()) != len(vectors_nD):
                raise ValueError(f"{name}: vectors {vectors_nD.shape} for {int(mask_B.sum())} rows")


def row_table(
    batch: NewRows, groups: Sequence[int], folders: Callable[[str], int], picture_offsets: Sequence[int]
) -> pa.Table:
    """Return the rows of a batch as a table: `COLUMNS`, and one column for each key of metadata.

    Args:
        batch: The specimens.
        groups: Number of the group of each.
        folders: Gives the number of an image folder.
        picture_offsets: Where the small picture of each lies.
    """
    pictures = batch.pictures or [None] * len(groups)
    places = batch.places or [None] * len(groups)
    columns: dict[str, Any] = {name: [] for name in COLUMNS.names}
    for specimen, group, picture, offset, place in zip(
        batch.specimens, groups, pictures, picture_offsets, places, strict=True
    ):
        values = _texts_of(specimen) | {"group": group, "picture_offset": offset, "picture_length": len(picture or b"")}
        values |= {"image_folder": folders(place.folder) if place else -1, "image_file": place.file if place else ""}
        values |= {"image_offset": place.offset if place else 0, "image_length": place.length if place else -1}
        for name, value in values.items():
            columns[name].append(value)
    arrays = {name: pa.array(columns[name], COLUMNS.field(name).type) for name in COLUMNS.names}
    metadata = metadata_columns([specimen.metadata for specimen in batch.specimens])
    return pa.table(arrays | {META + name: column for name, column in metadata.items()})


def _texts_of(specimen: Specimen) -> dict[str, Any]:
    texts = {"id": specimen.id, "name": specimen.species, "label": specimen.label, "licence": specimen.licence}
    texts |= {"common_name": next(iter(specimen.common_names), ""), "rights_holder": specimen.rights_holder}
    texts |= {"source": specimen.source, "split": specimen.split}
    texts |= dict(zip(RANKS, specimen.taxon.ranks, strict=True))
    return {name: text_of(value) for name, value in texts.items()}
