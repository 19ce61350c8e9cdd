"""Writing an index: every change is a new folder and then a new manifest, so that a crash leaves what was there.

Shape suffixes: N rows of the index.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from clipbio.data.specimen import SpeciesText
from clipbio.errors import ClipbioError, closest
from clipbio.search.compacting import compacted
from clipbio.search.folder import DELETED_ROWS, IndexFolder
from clipbio.search.manifest import MANIFEST, About, Manifest, Piece, file_facts
from clipbio.search.metadata import text_of
from clipbio.search.new_rows import EncodeText, NewRows
from clipbio.search.numbering import ImageFolders, NewIds, living
from clipbio.search.part_writing import PartWriter
from clipbio.search.text_writing import TextBook

__all__ = ["IndexWriter"]

_KINDS = ("parts", "texts", "deleted", "ann")


class IndexWriter:
    """The one writer of an index; a context that holds its lock. Readers go on with the snapshot that they opened.

    Made by `create` or `open`. Whatever a method raises, the index stays as it was before it.
    """

    def __init__(self, path: Path, about: About | None, *, overwrite: bool) -> None:
        self.path, self._about, self._overwrite = path, about, overwrite
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        self._manifest: Manifest | None = None

    @classmethod
    def create(cls, path: str | Path, about: About, *, overwrite: bool = False) -> IndexWriter:
        """Return the writer of a new index.

        Args:
            path: Its folder.
            about: What it is.
            overwrite: Whether it takes the place of an index that is there: when its first rows are written, no sooner.
        """
        return cls(Path(path).expanduser().resolve(), about, overwrite=overwrite)

    @classmethod
    def open(cls, path: str | Path) -> IndexWriter:
        """Return the writer of an index that is there."""
        return cls(Path(path).expanduser().resolve(), None, overwrite=False)

    @property
    def manifest(self) -> Manifest:
        """Return the snapshot that was written last."""
        if self._manifest is None:
            raise RuntimeError("an IndexWriter is a context: use it in a with statement")
        return self._manifest

    def __enter__(self) -> IndexWriter:
        if self.path.exists() and not self.path.is_dir():
            raise ClipbioError(f"{self.path} is a file: give a folder")
        if self._about is None:
            # No lock is left beside what is no index.
            Manifest.read(self.path)
        try:
            with self._told():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
        except Timeout as error:
            raise ClipbioError(f"another process writes to the index {self.path}: wait until it is done") from error
        try:
            self._manifest = Manifest.read(self.path) if self._about is None else self._new_manifest(self._about)
            self._clean()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None and self._about is not None:
                with self._told():
                    self._commit(self.manifest)
            self._clean()
        finally:
            self._lock.release()

    def append(
        self,
        batches: Iterable[NewRows],
        encode_text: EncodeText | None = None,
        *,
        replace: bool = False,
        texts: Iterable[SpeciesText] = (),
        data: Mapping[str, Any] | None = None,
    ) -> int:
        """Append specimens, and return their number.

        Args:
            batches: The specimens, some at a time.
            encode_text: Encodes sentences; without it their meaning is not searched.
            replace: Whether a specimen takes the place of one with its id.
            texts: Where descriptions come from: language, type, source and licence.
            data: What they are, for the manifest: hashes of a data set and the like.

        Raises:
            ClipbioError: An id is known already or comes twice, vectors do not fit those of the index, or the disk is
                full.
        """
        with self._told():
            return self._append(batches, encode_text, replaces=replace, texts=texts, data=data)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete specimens, and return their number. Their place on the disk is given back by `compact`.

        Raises:
            ClipbioError: Some are not in the index, or the disk is full; then nothing is deleted.
        """
        old = self._snapshot()
        known = living(old)
        wanted = list(dict.fromkeys(text_of(id) for id in ids))
        if unknown := [id for id in wanted if id not in known]:
            hint = closest(unknown[0], list(known)[:10_000]) if len(unknown) == 1 else ""
            names = ", ".join(f"'{id}'" for id in unknown[:5]) + (" ..." if len(unknown) > 5 else "")
            raise ClipbioError(f"{len(unknown)} of {len(wanted)} ids are not in the index {self.path}: {names}{hint}")
        if wanted:
            with self._told():
                self._commit(self._without(self.manifest, old, [known[id] for id in wanted]))
        return len(wanted)

    def compact(self) -> None:
        """Write everything again in one part, without deleted rows and what nothing uses any more.

        An approximate search is left out: it is to be built again.

        Raises:
            ClipbioError: The disk is full.
        """
        if self.manifest.deleted is not None or len(self.manifest.parts) > 1:
            with self._told():
                self._compact()

    def add_ann(self, write: Callable[[Path], Mapping[str, Any]]) -> None:
        """Set the approximate search: `write` writes its files into an empty folder and returns facts on it.

        Raises:
            ClipbioError: The disk is full.
        """
        with self._told():
            folder = self._new("ann")
            facts = write(folder)
            self._commit(replace(self.manifest, ann=self._piece(folder, facts)))

    def _compact(self) -> None:
        part, texts = self._new("parts"), self._new("texts")
        facts = compacted(self._snapshot(), part, texts)
        rows = self.manifest.alive
        pieces: dict[str, Any] = {"parts": (), "texts": None, "deleted": None, "ann": None}
        if rows:
            pieces["parts"] = (self._piece(part, {"rows": rows, "vectors": facts["vectors"]}),)
            pieces["texts"] = self._piece(texts, facts["texts"])
        modalities = tuple(facts["vectors"])
        self._commit(replace(self.manifest, rows=rows, modalities=modalities, **pieces))

    def _append(
        self,
        batches: Iterable[NewRows],
        encode_text: EncodeText | None,
        *,
        replaces: bool,
        texts: Iterable[SpeciesText],
        data: Mapping[str, Any] | None,
    ) -> int:
        old, part = self._snapshot(), self._new("parts")
        ids = NewIds(living(old), replaces, self.path)
        book, folders = TextBook(old.texts, texts), ImageFolders(self.manifest.image_folders)
        with PartWriter(part, self.manifest.dim) as writer:
            for batch in batches:
                ids.add(batch)
                writer.add(batch, [book.group(specimen) for specimen in batch.specimens], folders)
        if not writer.rows:
            return 0
        manifest = self._with_texts(replace(self.manifest, dim=writer.dim), book, encode_text, old)
        manifest = replace(
            manifest,
            rows=manifest.rows + writer.rows,
            alive=manifest.alive + writer.rows,
            parts=(*manifest.parts, self._piece(part, {"rows": writer.rows, "vectors": writer.vectors})),
            modalities=tuple(sorted({*manifest.modalities, *writer.vectors}, reverse=True)),
            image_folders=tuple(folders.names),
            data=manifest.data if data is None or data in manifest.data else (*manifest.data, dict(data)),
        )
        self._commit(self._without(manifest, old, ids.replaced) if ids.replaced else manifest)
        return writer.rows

    def _with_texts(
        self, manifest: Manifest, book: TextBook, encode_text: EncodeText | None, old: IndexFolder
    ) -> Manifest:
        """Return the manifest with new texts, if there are any."""
        if not book.changed:
            return manifest
        folder = self._new("texts")
        facts = book.write(folder, encode_text, manifest.language, old.texts, manifest.dim, traits=manifest.traits)
        return replace(manifest, texts=self._piece(folder, facts), dim=facts["dim"])

    def _without(self, manifest: Manifest, old: IndexFolder, rows: Iterable[int]) -> Manifest:
        """Return the manifest with some rows of the old snapshot deleted."""
        gone = np.union1d(np.flatnonzero(~old.alive_N), np.fromiter(rows, np.int64))
        folder = self._new("deleted")
        pq.write_table(pa.table({"row": gone}), folder / DELETED_ROWS)
        return replace(manifest, deleted=self._piece(folder, {"rows": len(gone)}), alive=manifest.rows - len(gone))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say of which index it is that a disk is full, or a folder not to be written to."""
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise ClipbioError(f"the index {self.path} cannot be written: {error.strerror or error}") from error

    def _snapshot(self) -> IndexFolder:
        return IndexFolder(self.path, self.manifest)

    def _new_manifest(self, about: About) -> Manifest:
        if (self.path / MANIFEST).is_file() and not self._overwrite:
            raise ClipbioError(f"{self.path} is an index already: append to it, or set overwrite=true")
        if (
            not (self.path / MANIFEST).is_file()
            and self.path.exists()
            and (others := {one.name for one in self.path.iterdir()} - set(_KINDS))
        ):
            raise ClipbioError(f"{self.path} is no index and holds '{min(others)}': give an empty folder")
        now, number = _now(), max((int(folder.name) for folder in self._folders()), default=0)
        return Manifest(created=now, updated=now, number=number, **asdict(about))

    def _new(self, kind: str) -> Path:
        """Return an empty folder of the next commit."""
        folder = self.path / kind / f"{self.manifest.number + 1:06d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _piece(self, folder: Path, facts: Mapping[str, Any]) -> Piece:
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        return Piece(str(folder.relative_to(self.path)), file_facts(folder), dict(facts))

    def _commit(self, manifest: Manifest) -> None:
        manifest = replace(manifest, number=manifest.number + 1, updated=_now())
        manifest.write(self.path)
        self._manifest, self._about = manifest, None
        self._clean()

    def _clean(self) -> None:
        """Remove the folders that no snapshot names: of a writer that broke off, or of the snapshot before."""
        named = {piece.folder for piece in self.manifest.pieces}
        for folder in self._folders():
            # Until a new index is written, the one that it overwrites stays.
            is_ours = self._about is None or int(folder.name) > self.manifest.number
            if is_ours and str(folder.relative_to(self.path)) not in named:
                shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return [folder for kind in _KINDS for folder in (self.path / kind).glob("[0-9]" * 6)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
