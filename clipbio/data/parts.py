"""One of n jobs that together write a source: every n-th chunk, those that are finished already left as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clipbio.data.chunks import Chunk, ChunkDealer, ChunkWriter, FinishedChunk
from clipbio.data.defects import Defects
from clipbio.data.manifest import SCHEMA_VERSION
from clipbio.data.options import PrepareOptions
from clipbio.data.sources.base import Source, expected_total
from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json
from clipbio.progress import progress_bar

__all__ = ["PartsFolder", "too_many_defects", "write_part"]


_RECORDS_PER_LOOK = 32


class PartsFolder:
    """What jobs leave for each other until the shard folder is put together.

    Args:
        path: The folder.
        parts: Number of jobs.
    """

    def __init__(self, path: Path, parts: int) -> None:
        self.path, self.parts = path, parts

    def agree(self, fingerprint: str, options: PrepareOptions) -> None:
        """Write down what is prepared and how, or refuse to add to something else."""
        plan = {"schema": SCHEMA_VERSION, "fingerprint": fingerprint, "parts": self.parts, "options": asdict(options)}
        plan = json.loads(json.dumps(plan))
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / "plan.lock"):
            if not (self.path / "plan.json").is_file():
                write_json(self.path / "plan.json", plan)
                return
        before = read_json(self.path / "plan.json")
        if before != plan:
            changed = ", ".join(key for key in plan if before.get(key) != plan[key])
            raise ClipbioError(
                f"{self.path} was begun with another {changed}: go on as it was begun, or remove it to start anew"
            )

    @property
    def options(self) -> PrepareOptions:
        """How the shards are made, as it was agreed."""
        return PrepareOptions(**read_json(self.path / "plan.json")["options"])

    @property
    def fingerprint(self) -> str:
        """What is prepared."""
        return str(read_json(self.path / "plan.json")["fingerprint"])

    @contextmanager
    def locked(self, part: int) -> Iterator[None]:
        """Keep a second job from writing the same part."""
        try:
            with FileLock(self.path / f"part-{part:05d}.lock", timeout=0):
                yield
        except Timeout:
            raise ClipbioError(f"part {part} of {self.path} is being written by another process") from None

    def finish(self, part: int, **values: Any) -> None:
        """Write down that a part is whole."""
        write_json(self._marker(part), values)

    def finished(self, part: int) -> bool:
        """Tell whether a part is whole."""
        return self._marker(part).is_file()

    def outcome(self, part: int) -> dict[str, Any]:
        """Return what `finish` wrote."""
        values: dict[str, Any] = read_json(self._marker(part))
        return values

    def missing(self) -> list[int]:
        """Name the parts that are not whole."""
        return [part for part in range(self.parts) if not self.finished(part)]

    def chunk(self, name: str) -> FinishedChunk | None:
        """Return a finished chunk."""
        return FinishedChunk.read(self.path / name)

    def _marker(self, part: int) -> Path:
        return self.path / f"part-{part:05d}.json"


def write_part(source: Source, folder: PartsFolder, part: int, *, progress: bool) -> None:
    """Write the chunks of one part that are not there yet."""
    options = folder.options
    with folder.locked(part), progress_bar(enabled=progress) as bar:
        if not folder.finished(part):
            total = expected_total(source)
            named = "preparing shards" if folder.parts == 1 else f"preparing part {part} of {folder.parts}"
            task = bar.add_task(named, total=total)
            work = _Part(source, folder, part, options)
            try:
                for seen in work.run():
                    too_many_defects(source.defects.skipped + work.skipped, total, options, source.defects)
                    bar.update(task, completed=seen)
            finally:
                work.abandon()


class _Part:
    """One pass over the source that writes the chunks of one part."""

    def __init__(self, source: Source, folder: PartsFolder, part: int, options: PrepareOptions) -> None:
        self.source, self.folder, self.part, self.options = source, folder, part, options
        self.dealer = ChunkDealer(options.samples_per_shard)
        self.skipped = 0
        self.chunks: list[str] = []
        self._writers: dict[str, ChunkWriter | None] = {}

    def run(self) -> Iterator[int]:
        """Write, and tell after some records how many were seen."""
        position = -1
        for position, specimen in enumerate(self.source):
            chunk, last = self.dealer.deal(specimen)
            if chunk.number % self.folder.parts == self.part and (writer := self._writer(chunk)) is not None:
                before = writer.defects.skipped
                writer.add(f"{position:09d}", specimen)
                self.skipped += writer.defects.skipped - before
            if last and (writer := self._writers.pop(chunk.name, None)) is not None:
                writer.close()
            if position % _RECORDS_PER_LOOK == 0:
                yield position + 1 + self.source.defects.skipped
        for name in list(self._writers):
            if (writer := self._writers.pop(name)) is not None:
                writer.close()
        self.folder.finish(self.part, specimens=position + 1, chunks=self.chunks, defects=self.source.defects.state())

    def abandon(self) -> None:
        """Leave unfinished chunks behind, to be written again by whoever continues."""
        for writer in self._writers.values():
            if writer is not None:
                writer.abandon()

    def _writer(self, chunk: Chunk) -> ChunkWriter | None:
        """Return the writer of a chunk, None if a job that was interrupted had finished it."""
        if chunk.name not in self._writers:
            self.chunks.append(chunk.name)
            there = self.folder.chunk(chunk.name)
            self.skipped += Defects.from_state(there.defects).skipped if there else 0
            self._writers[chunk.name] = None if there else ChunkWriter(self.folder.path, chunk, self.options)
        return self._writers[chunk.name]


def too_many_defects(skipped: int, records: int | None, options: PrepareOptions, defects: Defects) -> None:
    """Stop where more than the allowed share of the records is unusable."""
    if records is not None and skipped > options.max_defect_share * records:
        raise ClipbioError(
            f"{skipped} of {records} records are unusable, more than max_defect_share={options.max_defect_share}: "
            f"{defects.summary()}; mend the data or allow more"
        )
