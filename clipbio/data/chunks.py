"""Chunks: consecutive specimens of one split that become a shard, or several where they are large.

Which specimen stands in which chunk depends on the order of the source alone. So any number of jobs can each write some
of the chunks, a chunk that an interrupted job had finished is kept, and the result is the same as that of a single job.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.data.defects import Defects
from clipbio.data.digests import barcode_digest, image_digest
from clipbio.data.images import BadImageError
from clipbio.data.manifest import INDEX, SPLITS
from clipbio.data.members import described, image_of, members_of
from clipbio.data.options import PrepareOptions
from clipbio.data.specimen import Specimen
from clipbio.data.tar import MASK_MEMBER
from clipbio.data.writer import INDEX_SCHEMA, ShardWriter, WrittenShard
from clipbio.errors import ClipbioError, nearest
from clipbio.files import read_json, write_json

__all__ = ["Chunk", "ChunkDealer", "ChunkWriter", "FinishedChunk"]

_CHUNK = "chunk.json"


class Chunk(NamedTuple):
    """A chunk: its number in the order in which chunks begin, its split, and its place among those of the split."""

    number: int
    split: str
    place: int

    @property
    def name(self) -> str:
        """Name its folder."""
        return f"{self.split}-{self.place:06d}"


class ChunkDealer:
    """Tell of each specimen, in the order of the source, in which chunk it stands.

    Args:
        size: Specimens of a chunk.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._seen: Counter[str] = Counter()
        self._open: dict[str, Chunk] = {}
        self._begun = 0

    def deal(self, specimen: Specimen) -> tuple[Chunk, bool]:
        """Return the chunk of the next specimen, and whether the specimen is its last one."""
        split = specimen.split
        place, rest = divmod(self._seen[split], self.size)
        if rest == 0:
            if split not in SPLITS:
                raise ClipbioError(f"specimen '{specimen.id}' has the unknown split '{split}'{nearest(split, SPLITS)}")
            self._open[split] = Chunk(self._begun, split, place)
            self._begun += 1
        self._seen[split] += 1
        return self._open[split], rest == self.size - 1


@dataclass(frozen=True, kw_only=True)
class FinishedChunk:
    """What a chunk holds; `chunk.json` in its folder."""

    number: int
    split: str
    place: int
    shards: tuple[WrittenShard, ...]
    counts: Mapping[str, int]
    columns: tuple[str, ...]
    defects: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> FinishedChunk | None:
        """Read the chunk of a folder; None if it is not finished."""
        if not (folder / _CHUNK).is_file():
            return None
        values = read_json(folder / _CHUNK)
        shards = tuple(WrittenShard(**entry) for entry in values.pop("shards"))
        return cls(shards=shards, columns=tuple(values.pop("columns")), **values)

    @property
    def samples(self) -> int:
        """Count its samples."""
        return sum(shard.samples for shard in self.shards)

    def index(self, folder: Path) -> pa.Table:
        """Return its rows of the index; `shard` is the name of a tar inside the folder of the chunk."""
        return pq.read_table(folder / INDEX)


class ChunkWriter:
    """Write one chunk into a folder that gets its name when the chunk is finished.

    Args:
        folder: Parent of the folders of chunks.
        chunk: Which one.
        options: How shards are made.
    """

    def __init__(self, folder: Path, chunk: Chunk, options: PrepareOptions) -> None:
        self.chunk, self.options = chunk, options
        self.folder = folder / chunk.name
        self._partial = folder / f"{chunk.name}.partial"
        shutil.rmtree(self._partial, ignore_errors=True)  # of a job that was interrupted
        self._partial.mkdir(parents=True)
        self.defects = Defects()
        self._shards = ShardWriter(self._partial, bytes_per_shard=options.bytes_per_shard)
        self._rows: list[tuple[Any, ...]] = []
        self._counts = dict.fromkeys(("images", "masks", "barcodes", "unnamed"), 0)
        self._columns: set[str] = set()

    def add(self, key: str, specimen: Specimen) -> None:
        """Append a specimen; one whose image cannot be used is counted and left out."""
        record = specimen.record()
        try:
            members = members_of(specimen, self.options, self.defects, record=record)
        except BadImageError as error:
            self.defects.add(error.kind, f"specimen '{specimen.id}'", described(specimen.image, error))
            return
        except OSError as error:
            self.defects.add("unreadable_file", f"specimen '{specimen.id}'", described(specimen.image, error))
            return
        image, barcode = image_of(members), barcode_digest(specimen.dna)
        location = self._shards.write(key, members)
        # In the order of the columns of the index.
        self._rows.append(
            (
                *(specimen.id, specimen.split, location.shard, key, location.offset, location.length),
                *(image_digest(image), barcode, specimen.group_id),
                *specimen.taxon.ranks,
                *(next(iter(specimen.common_names), ""), specimen.label, specimen.bin),
                *(specimen.source, specimen.licence, specimen.rights_holder),
            )
        )
        self._columns.update(record, specimen.metadata)
        self._count(specimen, image=image is not None, barcode=bool(barcode), mask=MASK_MEMBER in members)

    def _count(self, specimen: Specimen, *, image: bool, barcode: bool, mask: bool) -> None:
        self._counts["images"] += image
        self._counts["masks"] += mask
        self._counts["barcodes"] += barcode
        if not specimen.has_name:
            self._counts["unnamed"] += 1
            message = "no taxon, common name, label or description"
            self.defects.add("unnamed", f"specimen '{specimen.id}'", message, skipped=False)

    def close(self) -> None:
        """Finish the chunk: from now on it counts as written."""
        self._shards.close()
        columns = list(zip(*self._rows, strict=True)) or [()] * len(INDEX_SCHEMA)
        index = pa.Table.from_arrays([pa.array(*one) for one in zip(columns, INDEX_SCHEMA.types)], schema=INDEX_SCHEMA)
        pq.write_table(index, self._partial / INDEX)
        finished = FinishedChunk(
            **self.chunk._asdict(),
            shards=tuple(self._shards.written),
            counts=self._counts,
            columns=tuple(sorted(self._columns - {"metadata"})),
            defects=self.defects.state(),
        )
        write_json(self._partial / _CHUNK, asdict(finished))
        shutil.rmtree(self.folder, ignore_errors=True)
        self._partial.rename(self.folder)

    def abandon(self) -> None:
        """Close what is open without finishing the chunk."""
        self._shards.close()
