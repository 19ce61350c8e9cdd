"""Writers of what a shard folder holds: tars that are the same each time, and the index of their samples."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.manifest import FileEntry
from clipbio.data.tar import BLOCK, header, padded
from clipbio.files import file_hash
from clipbio.taxonomy import RANKS

__all__ = ["INDEX_SCHEMA", "IndexWriter", "Location", "ShardWriter", "WrittenShard", "file_entry"]

INDEX_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "split", "shard", "key")]
    + [("offset", pa.int64()), ("length", pa.int64()), ("image_digest", pa.binary()), ("dna_digest", pa.binary())]
    + [(name, pa.string()) for name in ("group_id", *RANKS, "common_name", "label", "bin")]
    + [(name, pa.string()) for name in ("source", "licence", "rights_holder")]
)
_ROWS_PER_GROUP = 50_000
# A tar ends with two blocks of zeros and is filled up to whole records, as tar programs expect.
_RECORD = tarfile.RECORDSIZE
_BUFFER = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Location:
    """Where a sample stands: its members fill `length` bytes of the shard from `offset` on."""

    shard: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A finished tar."""

    name: str
    samples: int
    bytes: int
    sha256: str


class _HashingFile:
    """A file that a thread of its own hashes and writes, some megabytes at a time; both leave Python free meanwhile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._stored: Future[None] | None = None
        self._pieces: list[bytes] = []
        self._held = self.size = 0

    def write(self, pieces: Sequence[bytes]) -> None:
        self._pieces += pieces
        size = sum(map(len, pieces))
        self.size += size
        self._held += size
        if self._held >= _BUFFER:
            self._hand_over()

    def close(self) -> str:
        try:
            self._hand_over()
            self._wait()
        finally:
            self._thread.shutdown()
            self._file.close()
        return self._digest.hexdigest()

    def _hand_over(self) -> None:
        self._wait()
        self._stored = self._thread.submit(self._store, self._pieces)
        self._pieces, self._held = [], 0

    def _wait(self) -> None:
        """Wait for what was handed over before, so that no more than two buffers are held, and raise what it raised."""
        stored, self._stored = self._stored, None
        if stored is not None:
            stored.result()

    def _store(self, pieces: Sequence[bytes]) -> None:
        data = memoryview(b"".join(pieces))
        self._digest.update(data)
        while data:
            data = data[self._file.write(data) :]


class ShardWriter:
    """Write samples into consecutive tars of a folder.

    Args:
        folder: Where the tars are written, as 000000.tar and so on.
        bytes_per_shard: A tar is closed when the next sample would make it larger than this.
    """

    def __init__(self, folder: Path, *, bytes_per_shard: int) -> None:
        self.folder, self.bytes_per_shard = folder, bytes_per_shard
        self.written: list[WrittenShard] = []
        self._file: _HashingFile | None = None
        self._offset = self._samples = 0

    def write(self, key: str, members: Mapping[str, bytes]) -> Location:
        """Append a sample, its members in the order of their names, and tell where it stands."""
        length = sum(BLOCK + padded(len(data)) for data in members.values())
        if self._file is None or (self._samples and self._offset + length > self.bytes_per_shard):
            self.close()
            self._file = _HashingFile(self.folder / self._name)
        location = Location(self._name, self._offset, length)
        pieces: list[bytes] = []
        for name in sorted(members):
            data = members[name]
            pieces += [header(f"{key}.{name}", len(data)), data, bytes(padded(len(data)) - len(data))]
        self._file.write(pieces)
        self._offset += length
        self._samples += 1
        return location

    def close(self) -> None:
        """Finish the last tar."""
        if self._file is None:
            return
        self._file.write([bytes(-self._file.size % _RECORD or _RECORD)])
        name, size = self._name, self._file.size
        self.written.append(WrittenShard(name, self._samples, size, self._file.close()))
        self._file = None
        self._offset = self._samples = 0

    @property
    def _name(self) -> str:
        return f"{len(self.written):06d}.tar"


class IndexWriter:
    """Write `index.parquet` table by table, holding only one row group in memory."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, INDEX_SCHEMA)
        self._tables: list[pa.Table] = []
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        """Append rows."""
        self._tables.append(table)
        self._rows += len(table)
        if self._rows >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.concat_tables(self._tables).combine_chunks())
        self._tables, self._rows = [], 0


def file_entry(path: Path) -> FileEntry:
    """Measure and hash a file."""
    return FileEntry(path.stat().st_size, file_hash(path))
