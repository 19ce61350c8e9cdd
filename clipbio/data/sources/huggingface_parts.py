"""One split of a data set of the Hugging Face library, read as Arrow batches: nothing is decoded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.sources.usual_columns import columns_of
from clipbio.errors import ClipbioError

if TYPE_CHECKING:
    import datasets

__all__ = ["Part", "failures"]

_ROWS_PER_BATCH = 64
StoredImage = bytes | Callable[[], bytes] | str | None
"""Bytes, what reads them, or the path that a record tells."""


def failures() -> tuple[type[Exception], ...]:
    """Name what the library raises for data that it cannot read."""
    import datasets

    wrong = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError)
    return (*wrong, pa.ArrowException, datasets.exceptions.DatasetsError)


class Part:
    """The records of one split.

    Args:
        data: The split as the library gives it, with random access or as a stream.
        given: Columns as the user maps them.
        where: What to call the split in messages.
    """

    def __init__(
        self,
        data: datasets.Dataset | datasets.IterableDataset,
        given: Mapping[str, str | None] | None,
        where: str,
    ) -> None:
        import datasets

        self.where = where
        self.rows = _rows(data)
        self.identity = (getattr(data, "_fingerprint", None), str(data.info.version), self.rows)
        if data.features is None:
            raise ClipbioError(f"{where}: the columns are only known after a look at the data; set streaming=false")
        self.columns = columns_of(tuple(data.features), _with_image(data.features, given), where=where)
        self._labels = {n: f.names for n, f in data.features.items() if isinstance(f, datasets.ClassLabel)}
        self._image = self.columns.pop("image", "")
        kept = [name for name, feature in data.features.items() if _is_plain(feature) and name != self._image]
        self._check(data.features, kept)
        if self._image:
            data = data.cast_column(self._image, datasets.Image(decode=False))
        self._data = data.select_columns([*kept, *([self._image] if self._image else [])]).with_format("arrow")
        self._has_rows_at_hand = isinstance(data, datasets.Dataset)

    def records(self) -> Iterator[tuple[int, dict[str, Any], StoredImage]]:
        """Yield row, cells by column, and image of each record."""
        first = 0
        for table in self._data.iter(batch_size=_ROWS_PER_BATCH):
            columns = {name: self._cells(table, name) for name in table.column_names if name != self._image}
            images = self._images(table, first) if self._image else [None] * table.num_rows
            for offset, image in enumerate(images):
                yield first + offset, {name: cells[offset] for name, cells in columns.items()}, image
            first += table.num_rows

    def _check(self, features: Mapping[str, Any], kept: list[str]) -> None:
        if not self._image and "dna" not in self.columns:
            names = ", ".join(features)
            raise ClipbioError(f"{self.where} has neither image nor dna; tell source.columns; the columns are: {names}")
        if self._image and not _is_image(features[self._image]):
            raise ClipbioError(f"{self.where}: the column '{self._image}' holds {features[self._image]}, no images")
        for field, column in self.columns.items():
            if column not in kept:
                raise ClipbioError(
                    f"{self.where}: {field} cannot be read from '{column}': {features[column]} is no text"
                )

    def _cells(self, table: pa.Table, name: str) -> list[Any]:
        cells = table.column(name).to_pylist()
        if labels := self._labels.get(name):
            # -1 stands for a label that is not known.
            return [labels[cell] if cell is not None and 0 <= cell < len(labels) else None for cell in cells]
        return [_plain(cell) for cell in cells]

    def _images(self, table: pa.Table, first: int) -> list[StoredImage]:
        column = table.column(self._image).combine_chunks()
        stored = pc.is_valid(pc.struct_field(column, "bytes")).to_pylist()
        paths = pc.struct_field(column, "path").to_pylist()
        return [self._stored(column, i, first) if has else paths[i] for i, has in enumerate(stored)]

    def _stored(self, column: pa.Array, offset: int, first: int) -> StoredImage:
        if self._has_rows_at_hand:
            return partial(_read, self._data, self._image, first + offset)
        data: bytes = column[offset]["bytes"].as_py()
        return data


def _read(data: datasets.Dataset, column: str, row: int) -> bytes:
    try:
        found: bytes = data[row : row + 1].column(column)[0]["bytes"].as_py()
    except (pa.ArrowException, ValueError, LookupError) as error:
        raise OSError(f"row {row} cannot be read ({error})") from error
    return found


def _rows(data: Any) -> int | None:
    told = getattr(data, "num_rows", None)
    if told is None and data.info.splits and str(data.split) in data.info.splits:
        told = data.info.splits[str(data.split)].num_examples
    return int(told) if told is not None else None


def _with_image(features: Mapping[str, Any], given: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Add the only column of images, whatever it is called."""
    import datasets

    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    return ({"image": images[0]} if len(images) == 1 else {}) | dict(given or {})


def _is_image(feature: Any) -> bool:
    import datasets

    if isinstance(feature, dict):
        return set(feature) == {"bytes", "path"}
    known = ("binary", "large_binary", "string", "large_string")
    return isinstance(feature, datasets.Image) or getattr(feature, "dtype", None) in known


def _is_plain(feature: Any) -> bool:
    """Tell whether a column holds text, numbers or lists of them: no images, sounds and other bytes."""
    import datasets

    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", feature)
    if isinstance(inner, datasets.Value):
        return "binary" not in inner.dtype
    return isinstance(inner, datasets.ClassLabel) and inner is feature


def _plain(cell: Any) -> Any:
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell if isinstance(cell, str | int | float | bool | list) else None
