"""The last step of preparing: what the jobs wrote becomes one shard folder with its manifest."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.card import CARD, write_card
from clipbio.data.chunks import FinishedChunk
from clipbio.data.columns import taxa_of
from clipbio.data.defects import Defects
from clipbio.data.manifest import INDEX, SPLITS, TEXTS, Manifest, ShardEntry, ShardError
from clipbio.data.parts import PartsFolder, too_many_defects
from clipbio.data.sources.base import HasSideFiles, Source
from clipbio.data.species_texts import joinable, save_texts
from clipbio.data.writer import IndexWriter, file_entry
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

__all__ = ["assemble"]


def assemble(source: Source, parts: PartsFolder, folder: Path) -> Manifest:
    """Put the finished parts together; nothing of them is changed.

    Args:
        source: The source, for the texts of its species.
        parts: What the jobs left.
        folder: Empty folder that becomes the shard folder.
    """
    if missing := parts.missing():
        numbers = ", ".join(map(str, missing[:10])) + (" ..." if len(missing) > 10 else "")
        raise ClipbioError(
            f"{len(missing)} of {parts.parts} parts are not finished ({numbers}): run part={missing[0]} first"
        )
    return _Assembly(source, parts, folder).run()


class _Assembly:
    def __init__(self, source: Source, parts: PartsFolder, folder: Path) -> None:
        self.source, self.parts, self.folder = source, parts, folder
        names = [name for part in range(parts.parts) for name in parts.outcome(part)["chunks"]]
        self.chunks = sorted((self._chunk(name) for name in names), key=lambda chunk: chunk.number)
        self.defects = Defects.from_state(parts.outcome(0)["defects"])
        self.taxa: set[Taxon] = set()

    def run(self) -> Manifest:
        for chunk in self.chunks:
            self.defects.update(Defects.from_state(chunk.defects))
        samples = sum(chunk.samples for chunk in self.chunks)
        too_many_defects(self.defects.skipped, samples + self.defects.skipped, self.parts.options, self.defects)
        if not samples:
            raise ClipbioError(f"there is no usable record: {self.defects.summary()}")
        shards = self._shards()
        self._index(shards)
        self._texts()
        if isinstance(self.source, HasSideFiles):
            self.source.write_side_files(self.folder)
        manifest = self._manifest(tuple(shards.values()))
        write_card(self.folder, manifest)
        return replace(manifest, files={**manifest.files, CARD: file_entry(self.folder / CARD)})

    def _chunk(self, name: str) -> FinishedChunk:
        chunk = self.parts.chunk(name)
        if chunk is None:
            raise ShardError(
                f"{self.parts.path / name} is not finished although its part is: remove the folder and start anew"
            )
        return chunk

    def _shards(self) -> dict[tuple[int, str], ShardEntry]:
        """Give the tars their final names, and return them by chunk and by their name in it."""
        entries: dict[tuple[int, str], ShardEntry] = {}
        count: Counter[str] = Counter()
        for chunk in sorted(self.chunks, key=lambda chunk: (SPLITS.index(chunk.split), chunk.number)):
            (self.folder / chunk.split).mkdir(exist_ok=True)
            for shard in chunk.shards:
                path = f"{chunk.split}/shard-{count[chunk.split]:06d}.tar"
                count[chunk.split] += 1
                _place(
                    self.parts.path / f"{chunk.split}-{chunk.place:06d}" / shard.name, self.folder / path, shard.bytes
                )
                entries[chunk.number, shard.name] = ShardEntry(
                    path, chunk.split, shard.samples, shard.bytes, shard.sha256
                )
        return entries

    def _index(self, shards: dict[tuple[int, str], ShardEntry]) -> None:
        writer = IndexWriter(self.folder / INDEX)
        try:
            for chunk in self.chunks:
                table = chunk.index(self.parts.path / f"{chunk.split}-{chunk.place:06d}")
                if not len(table):
                    continue
                names = table["shard"].combine_chunks().dictionary_encode()
                paths = pa.array([shards[chunk.number, name].path for name in names.dictionary.to_pylist()])
                column = table.schema.get_field_index("shard")
                writer.add(table.set_column(column, table.schema.field(column), pc.take(paths, names.indices)))
                self.taxa.update(taxa_of(table)[0])
        finally:
            writer.close()

    def _texts(self) -> None:
        """Write the texts of species; what is wrong with them is counted like everything else."""
        self.source.defects.clear()
        save_texts(joinable(self.source.species_texts(), self.taxa, self.source.defects), self.folder / TEXTS)
        self.defects.update(self.source.defects)
        # Whoever asks the source what was wrong gets everything.
        self.source.defects.clear()
        self.source.defects.update(self.defects)

    def _manifest(self, shards: tuple[ShardEntry, ...]) -> Manifest:
        counts = {name: sum(chunk.counts[name] for chunk in self.chunks) for name in self.chunks[0].counts}
        members = {"image": counts["images"], "mask": counts["masks"]}
        named = {path.name for path in self.folder.iterdir() if path.is_file()}
        columns = {name for chunk in self.chunks for name in chunk.columns}
        return Manifest(
            shards=shards,
            files={name: file_entry(self.folder / name) for name in sorted(named)},
            fingerprint=self.parts.fingerprint,
            made={"clipbio": _version(), "source": type(self.source).__name__, "options": asdict(self.parts.options)},
            columns=tuple(sorted(columns | {name for name, count in members.items() if count})),
            taxa=len(self.taxa - {Taxon()}),
            defects=self.defects.to_dict(),
            images=counts["images"],
            masks=counts["masks"],
            barcodes=counts["barcodes"],
            unnamed=counts["unnamed"],
        )


def _place(tar: Path, target: Path, size: int) -> None:
    """Let a tar stand under a second name, or copy it where the file system knows no links."""
    try:
        if tar.stat().st_size != size:
            raise ShardError(
                f"{tar} has {tar.stat().st_size} bytes instead of {size}: remove its folder and run its part again"
            )
        os.link(tar, target)
    except FileNotFoundError as error:
        raise ShardError(f"{tar} is gone: remove its folder and run its part again") from error
    except OSError:
        shutil.copyfile(tar, target)


def _version() -> str:
    try:
        return metadata.version("clipbio")
    except metadata.PackageNotFoundError:
        return "unknown"
