"""INQUIRE-Rerank: parquet files of queries, each with the pictures to be put in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.sources.cells import given, text
from clipbio.data.sources.published_set import PublishedSet
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.files import file_state
from clipbio.taxonomy import Taxon

__all__ = ["InquireSource"]

_FILES = {"validation": "val", "test": "test"}
_REQUIRED = ("image", "query", "relevant", "inat24_image_id")
_ROWS_AT_ONCE = 64


class InquireSource(PublishedSet):
    """Read INQUIRE-Rerank: one specimen per query and picture, called `QUERY NUMBER/PICTURE`.

    The metadata are `query`, `query_type` (appearance, behavior, context or species) and `relevant`, 0 or 1. A picture
    of several queries occurs in each of them.

    Source: Vendrow et al. 2024, arXiv:2411.02537.

    Args:
        root: Folder of the data set as on the hub: `data/validation-*.parquet` and `data/test-*.parquet`.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(root, [])
        self._parts = [(path, split) for name, split in _FILES.items() for path in _found(self.root, name)]
        if not self._parts:
            raise ClipbioError(f"{root} holds no data/test-*.parquet and no data/validation-*.parquet")
        for path, _ in self._parts:
            missing = [name for name in _REQUIRED if name not in _opened(path).schema_arrow.names]
            if missing:
                raise ClipbioError(f"{path}: the column '{missing[0]}' is missing; get the data set again")

    @cached_property
    def total(self) -> int:
        """Count the rows."""
        return sum(_opened(path).metadata.num_rows for path, _ in self._parts)

    def fingerprint(self) -> str:
        """Hash name, size and time of each file."""
        states = [(path.name, split, file_state(path)) for path, split in self._parts]
        return hashlib.blake2b(repr((type(self).__name__, states)).encode(), digest_size=16).hexdigest()

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per row."""
        numbers: dict[tuple[str, str], int] = {}
        for path, split in self._parts:
            for number, row in _rows(path):
                where, image, query = f"{path.name} row {number}", row["image"], text(row["query"])
                picture = image.get("bytes") if isinstance(image, Mapping) else image
                if not query or not isinstance(picture, bytes) or row["relevant"] not in (0, 1):
                    message = "needs a query, the bytes of a picture, and relevant (0 or 1)"
                    self.defects.add("unusable_row", where, message)
                    continue
                place = numbers.setdefault((split, query), len(numbers))
                yield where, _specimen(f"{place:03d}/{row['inat24_image_id']}", split, query, picture, row)


def _specimen(identity: str, split: str, query: str, picture: bytes, row: Mapping[str, Any]) -> Specimen:
    facts = {
        "query": query,
        "query_type": text(row.get("supercategory")).lower(),
        "category": text(row.get("category")),
        "iconic_group": text(row.get("iconic_group")),
    }
    return Specimen(
        id=identity,
        taxon=Taxon.from_mapping({"species": text(row.get("inat24_species_name"))}),
        image=picture,
        split=split,
        licence=given(row.get("license")),
        rights_holder=given(row.get("rights_holder")),
        metadata={key: told for key, told in facts.items() if told} | {"relevant": int(row["relevant"])},
    )


def _found(root: Path, name: str) -> list[Path]:
    return sorted({*root.glob(f"data/{name}-*.parquet"), *root.glob(f"{name}-*.parquet")})


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ClipbioError(f"{path} cannot be read as parquet ({str(error).splitlines()[0]})") from error


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number (from 1) and cells of each row, a few at a time: a row holds a picture."""
    number = 0
    try:
        for batch in _opened(path).iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError) as error:
        raise ClipbioError(f"{path}: after row {number} it cannot be read ({str(error).splitlines()[0]})") from error
