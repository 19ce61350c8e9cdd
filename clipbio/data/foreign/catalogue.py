"""The samples of a folder of foreign shards as specimens, and the index that lets training read them in place."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from clipbio.data.defects import Defects
from clipbio.data.foreign.clip_benchmark import CLASS_NAMES
from clipbio.data.foreign.folders import ForeignFolder
from clipbio.data.foreign.samples import Sample, ShardReader, picture_of
from clipbio.data.foreign.tars import Entry
from clipbio.data.layouts import layout_of
from clipbio.data.manifest import INDEX, TEXTS, Manifest, ShardEntry, ShardError
from clipbio.data.species_texts import save_texts
from clipbio.data.specimen import Specimen
from clipbio.data.writer import INDEX_SCHEMA, IndexWriter, file_entry
from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar
from clipbio.taxonomy import RANKS, Taxon, stable_hash

__all__ = ["VERSION", "ForeignSamples", "index_foreign"]

logger = logging.getLogger(__name__)

VERSION = 1
"""To be raised when an index made before would be wrong: caches depend on it."""


class ForeignSamples:
    """The specimens of a folder of foreign shards, one shard after the other.

    Args:
        folder: The shards.
        defects: What is wrong is put here.
    """

    def __init__(self, folder: ForeignFolder, defects: Defects) -> None:
        self.folder, self.defects = folder, defects
        self.layout = layout_of(folder.layout, folder.root)
        self.digests: dict[str, str] = {}
        self._seen: set[int] = set()

    def of(self, split: str, shard: str) -> Iterator[tuple[Sample, Specimen]]:
        """Yield the samples of a shard with their specimens, whose images are read when they are asked for."""
        path = self.folder.path(shard)
        reader = ShardReader(path, shard, self.layout.members, self.defects)
        for sample in reader:
            where = f"{shard} key {sample.key!r}"
            try:
                specimen = self.layout.specimen(sample.key, sample.texts)
            except ShardError as error:
                self.defects.add("bad_record", where, str(error))
                continue
            identity = self._identity(split, sample.key)
            if (key := stable_hash(identity)) in self._seen:
                self.defects.add("duplicate_id", where, f"'{identity}' stood there before")
                continue
            self._seen.add(key)
            yield (
                sample,
                dataclasses.replace(specimen, id=identity, split=split, image=partial(picture_of, path, sample.image)),
            )
        self.digests[shard] = reader.digest

    def _identity(self, split: str, key: str) -> str:
        # The keys of CLIP_benchmark count anew in each split.
        plain = key.removeprefix("./")
        return f"{split}/{plain}" if self.folder.layout == "clip_benchmark" else plain


def index_foreign(folder: ForeignFolder, out: Path, *, max_defect_share: float, progress: bool) -> None:
    """Write manifest, index and texts of foreign shards into a folder, from one pass over their headers and texts.

    Raises:
        ShardError: A shard is damaged.
        ClipbioError: There are more defects than allowed, or no sample.
    """
    partial_out = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial_out, ignore_errors=True)
    partial_out.mkdir(parents=True)
    try:
        _Cataloguing(folder, partial_out, max_defect_share).run(progress=progress).save(partial_out)
        shutil.rmtree(out, ignore_errors=True)
        partial_out.rename(out)
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)


class _Cataloguing:
    """One pass over the shards: the open index and the counts."""

    def __init__(self, folder: ForeignFolder, out: Path, max_defect_share: float) -> None:
        self.folder, self.out, self.allowed = folder, out, max_defect_share
        self.samples = ForeignSamples(folder, Defects())
        self.entries: list[ShardEntry] = []
        self.taxa: set[Taxon] = set()
        self.unnamed = 0

    def run(self, *, progress: bool) -> Manifest:
        index = IndexWriter(self.out / INDEX)
        sizes = [self.folder.path(shard).stat().st_size for _, shard in self.folder.shards]
        try:
            with progress_bar(enabled=progress) as bar:
                task = bar.add_task(f"indexing {len(sizes)} shards (MB)", total=sum(sizes) // 2**20)
                for (split, shard), size in zip(self.folder.shards, sizes, strict=True):
                    self._add(index, split, shard, size)
                    bar.advance(task, size / 2**20)
        finally:
            index.close()
        self._refuse()
        save_texts((), self.out / TEXTS)
        if (names := self.folder.root / CLASS_NAMES).is_file():
            shutil.copyfile(names, self.out / CLASS_NAMES)
        return self._manifest()

    def _add(self, index: IndexWriter, split: str, shard: str, size: int) -> None:
        rows = [(self._row(specimen, sample), sample.image) for sample, specimen in self.samples.of(split, shard)]
        digest = self.samples.digests[shard]
        whole = [row | {"shard": shard, "image_digest": _digest(digest, image)} for row, image in rows]
        index.add(pa.Table.from_pylist(whole, schema=INDEX_SCHEMA))
        self.entries.append(ShardEntry(shard, split, len(rows), size, f"headers:{digest}"))

    def _row(self, specimen: Specimen, sample: Sample) -> dict[str, Any]:
        self.taxa.add(specimen.taxon)
        if not specimen.has_name:
            self.unnamed += 1
            self.samples.defects.add("unnamed", f"specimen '{specimen.id}'", "nothing names it", skipped=False)
        row: dict[str, Any] = dict(zip(RANKS, specimen.taxon.ranks, strict=True))
        row |= {"id": specimen.id, "split": specimen.split, "key": sample.key}
        row |= {"offset": sample.offset, "length": sample.length, "dna_digest": b"", "label": specimen.label}
        row |= {"common_name": next(iter(specimen.common_names), "")}
        return row | dict.fromkeys(("group_id", "bin", "source", "licence", "rights_holder"), "")

    def _refuse(self) -> None:
        defects = self.samples.defects
        usable = sum(entry.samples for entry in self.entries)
        if damaged := defects.of("damaged_shard"):
            raise ShardError(f"{self.folder.root}: {damaged[0]}; fetch that shard again, or move it away")
        if not usable:
            raise ClipbioError(f"{self.folder.root}: there is no usable sample: {defects.summary()}")
        if defects.skipped > self.allowed * (usable + defects.skipped):
            raise ClipbioError(
                f"{self.folder.root}: {defects.skipped} of {usable + defects.skipped} samples are unusable, more than "
                f"max_defect_share={self.allowed}: {defects.summary()}"
            )
        if defects:
            logger.warning("%s: %d samples left out; %s", self.folder.root, defects.skipped, defects.summary())

    def _manifest(self) -> Manifest:
        states = repr(self.folder.states()).encode()
        return Manifest(
            shards=tuple(self.entries),
            files={
                path.name: file_entry(path)
                for name in (INDEX, TEXTS, CLASS_NAMES)
                if (path := self.out / name).is_file()
            },
            fingerprint=hashlib.blake2b(states, digest_size=16).hexdigest(),
            made={"source": "foreign shards", "root": str(self.folder.root)},
            images=sum(entry.samples for entry in self.entries),
            taxa=len(self.taxa - {Taxon()}),
            unnamed=self.unnamed,
            defects=self.samples.defects.to_dict(),
            layout=self.folder.layout,
        )


def _digest(shard: str, image: Entry) -> bytes:
    """Stand in for the hash of an image that is not read: names, sizes and texts of its shard, and its place there."""
    told = f"{shard}:{image.start}:{image.size}"
    return hashlib.blake2b(told.encode(), digest_size=16).digest()
