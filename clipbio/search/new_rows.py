"""What is appended to an index, and how it lies in a table.

Shape suffixes: B rows of one batch, n those of them that have a vector, D dimensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from clipbio.data.specimen import Specimen
from clipbio.search.arrow import numpy_of
from clipbio.search.query import Array
from clipbio.taxonomy import RANKS

__all__ = ["COLUMNS", "META", "EncodeText", "ImagePlace", "NewRows", "row_table", "unified"]

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
_LARGEST = 2**63


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
    return pa.table(arrays | _metadata([specimen.metadata for specimen in batch.specimens]))


def text_of(value: str) -> str:
    """Return a text that UTF-8 can hold: half of a surrogate pair becomes a question mark."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def unified(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables one behind the other: a column that some lack is null there, numbers beside text become text.

    A column that is null everywhere is left out: nothing tells its type.
    """
    names = dict.fromkeys(field.name for table in tables for field in table.schema if field.type != pa.null())
    return pa.table({name: unified_column([_column(table, name) for table in tables]) for name in names})


def unified_column(chunks: Sequence[pa.ChunkedArray | pa.Array]) -> pa.ChunkedArray:
    """Return columns one behind the other, in the narrowest type that holds all: int64, float64, text."""
    kinds = {chunk.type for chunk in chunks} - {pa.null()}
    if len(kinds) > 1:
        numbers = kinds == {pa.int64(), pa.float64()} and all(map(_is_exact, chunks))
        kinds = {pa.float64() if numbers else pa.string()}
    kind = next(iter(kinds), pa.string())
    flat = [piece for chunk in chunks for piece in (chunk.chunks if isinstance(chunk, pa.ChunkedArray) else [chunk])]
    return pa.chunked_array([_cast(piece, kind) for piece in flat], kind)


def _texts_of(specimen: Specimen) -> dict[str, Any]:
    texts = {"id": specimen.id, "name": specimen.species, "label": specimen.label, "licence": specimen.licence}
    texts |= {"common_name": next(iter(specimen.common_names), ""), "rights_holder": specimen.rights_holder}
    texts |= {"source": specimen.source, "split": specimen.split}
    texts |= dict(zip(RANKS, specimen.taxon.ranks, strict=True))
    return {name: text_of(value) for name, value in texts.items()}


def _metadata(records: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
    columns: dict[str, list[Any]] = {}
    for row, record in enumerate(records):
        for key, value in record.items():
            columns.setdefault(META + text_of(str(key)), [None] * len(records))[row] = _plain(value)
    return {name: _typed(values) for name, values in columns.items()}


def _plain(value: Any) -> str | int | float | None:
    """Return a value as text or number, None where it says nothing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) or value is None:
        return text_of(value) if value else None
    if isinstance(value, Mapping | list | tuple):
        return text_of(json.dumps(value, ensure_ascii=False, default=str)) if value else None
    return text_of(str(value))


def _typed(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds <= {int, float} and all(not isinstance(value, int) or int(float(value)) == value for value in values):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([value if isinstance(value, str | None) else _number_text(value) for value in values], pa.string())


def _number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(value)


def _is_exact(chunk: pa.ChunkedArray | pa.Array) -> bool:
    """Tell whether float64 holds the numbers of a column as they are."""
    if chunk.type != pa.int64():
        return True
    values_n = numpy_of(chunk.drop_null())
    return bool(np.all((values_n >= -(2**53)) & (values_n <= 2**53)))


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind == pa.string() and values.type in (pa.int64(), pa.float64()):
        return pa.array([None if value is None else _number_text(value) for value in values.to_pylist()], kind)
    return values.cast(kind)


def _column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    return table[name] if name in table.column_names else pa.nulls(table.num_rows)
