"""Writers of what a shard folder holds: tars that are the same each time, and the index of their samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.manifest import FileEntry, ShardEntry
from clipbio.data.tar import BLOCK, padded
from clipbio.taxonomy import RANKS

__all__ = ["INDEX_SCHEMA", "IndexWriter", "Location", "SplitWriter", "file_entry"]

INDEX_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "split", "shard", "key")]
    + [("offset", pa.int64()), ("length", pa.int64()), ("image_digest", pa.binary()), ("dna_digest", pa.binary())]
    + [(name, pa.string()) for name in ("group_id", *RANKS, "common_name", "label", "bin")]
    + [(name, pa.string()) for name in ("source", "licence", "rights_holder")]
)
_ROWS_PER_GROUP = 50_000


@dataclass(frozen=True, slots=True)
class Location:
    """Where a sample stands: its members fill `length` bytes of the shard from `offset` on."""

    shard: str
    offset: int
    length: int


class _HashingFile:
    """A file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def close(self) -> str:
        self._file.close()
        return self._digest.hexdigest()


class SplitWriter:
    """Write the samples of one split into consecutive shards.

    Args:
        root: The shard folder.
        split: Name of the split, and of the folder of its shards.
        samples_per_shard: A shard is closed when it holds so many samples ...
        bytes_per_shard: ... or when the next sample would make it larger than this.
    """

    def __init__(self, root: Path, split: str, *, samples_per_shard: int, bytes_per_shard: int) -> None:
        # Imported here because webdataset brings torch with it, which reading shards does not need.
        from webdataset.writer import TarWriter

        self._tar_writer = TarWriter
        self.root, self.split = root, split
        self.samples_per_shard, self.bytes_per_shard = samples_per_shard, bytes_per_shard
        self.shards: list[ShardEntry] = []
        self._file: _HashingFile | None = None
        self._offset = self._samples = 0
        (root / split).mkdir()

    def write(self, key: str, members: Mapping[str, bytes]) -> Location:
        """Append a sample and tell where it stands."""
        length = sum(BLOCK + padded(len(data)) for data in members.values())
        full = self._samples >= self.samples_per_shard or self._offset + length > self.bytes_per_shard
        if self._file is None or (self._samples and full):
            self._next()
        self._tar.write({"__key__": key, **members})
        location = Location(self._path, self._offset, length)
        self._offset += length
        self._samples += 1
        return location

    def close(self) -> None:
        """Finish the last shard."""
        if self._file is not None:
            self._tar.close()
            size = self._file.size
            entry = ShardEntry(self._path, self.split, self._samples, size, self._file.close())
            self.shards.append(entry)
            self._file = None

    @property
    def _path(self) -> str:
        return f"{self.split}/shard-{len(self.shards):06d}.tar"

    def _next(self) -> None:
        self.close()
        self._file = _HashingFile(self.root / self._path)
        # The owner and the time of members are fixed: same input, same bytes.
        self._tar = self._tar_writer(self._file, user="clipbio", group="clipbio", mode=0o644, mtime=0, encoder=False)
        self._offset = self._samples = 0


class IndexWriter:
    """Write `index.parquet` row by row, holding only one row group in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = pq.ParquetWriter(path, INDEX_SCHEMA)
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Append the row of a sample."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=INDEX_SCHEMA))
        self._rows.clear()


def file_entry(path: Path) -> FileEntry:
    """Measure and hash a file."""
    with path.open("rb") as file:
        return FileEntry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
