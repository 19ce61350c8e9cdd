"""From a source to a shard folder, written whole or not at all."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Unpack

from clipbio.data.digests import barcode_digest, image_digest
from clipbio.data.images import BadImageError
from clipbio.data.manifest import INDEX, MANIFEST, SPLITS, TEXTS, Manifest, ShardEntry
from clipbio.data.members import described, image_of, members_of
from clipbio.data.options import PrepareOptions, PrepareSettings
from clipbio.data.sources.base import Source, expected_total
from clipbio.data.species_texts import joinable, save_texts
from clipbio.data.specimen import Specimen
from clipbio.data.tar import MASK_MEMBER
from clipbio.data.writer import IndexWriter, SplitWriter, file_entry
from clipbio.errors import ClipbioError, nearest
from clipbio.progress import progress_bar
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["prepare"]

logger = logging.getLogger(__name__)


def prepare(
    source: Source,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: bool = True,
    **settings: Unpack[PrepareSettings],
) -> Manifest:
    """Write the specimens of a source as shards, one sample in memory at a time.

    The folder is built beside `out` and renamed when it is whole. The same input gives the same bytes.

    Args:
        source: The specimens; what is unusable is counted in its `defects` and told in the manifest.
        out: The shard folder. If it is not empty it must be a shard folder, and `overwrite` be set.
        overwrite: Replace an existing shard folder.
        progress: Show a progress bar.
        settings: See `PrepareOptions`.
    """
    options, out = PrepareOptions(**settings), Path(out).resolve()
    _refuse(out, overwrite=overwrite)
    try:
        with _replaced(out) as folder:
            manifest = _Preparation(source, folder, options).run(progress=progress)
            manifest.save(folder)
    except OSError as error:
        raise ClipbioError(f"preparing {out} failed: {error}") from error
    if source.defects:
        logger.warning("%s: %d records skipped; %s", out, source.defects.skipped, source.defects.summary())
    logger.info("%s: %d samples in %d shards", out, manifest.samples, len(manifest.shards))
    return manifest


def _refuse(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ClipbioError(f"{out} is a file; give a folder for the shards")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / MANIFEST).is_file():
        raise ClipbioError(f"{out} is not empty and not a shard folder; give another out=")
    if not overwrite:
        raise ClipbioError(f"{out} is already a shard folder; give another out=, or overwrite=true to replace it")


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place at the end, or vanishes after an exception."""
    out.parent.mkdir(parents=True, exist_ok=True)
    name = f".{out.name}.{uuid.uuid4().hex[:8]}"
    partial, old = out.with_name(f"{name}.partial"), out.with_name(f"{name}.old")
    partial.mkdir()
    try:
        yield partial
        if out.exists():
            out.rename(old)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


class _Preparation:
    """One run of `prepare`: the open writers and the counts."""

    def __init__(self, source: Source, folder: Path, options: PrepareOptions) -> None:
        self.source, self.folder, self.options = source, folder, options
        self.defects = source.defects
        self.fingerprint = source.fingerprint()
        self.total = expected_total(source)
        self.writers: dict[str, SplitWriter] = {}
        self.samples = self.images = self.masks = self.barcodes = self.unnamed = 0
        self.columns: set[str] = set()
        self.taxa: set[Taxon] = set()

    def run(self, *, progress: bool) -> Manifest:
        with ExitStack() as stack:
            bar = stack.enter_context(progress_bar(enabled=progress))
            task = bar.add_task("preparing shards", total=self.total)
            self.index = IndexWriter(self.folder / INDEX)
            stack.callback(self.index.close)
            stack.callback(self._close_writers)
            for specimen in self.source:
                self._add(specimen)
                self._stop_if_bad(self.total)
                bar.update(task, completed=self.samples + self.defects.skipped)
        self._stop_if_bad(self.samples + self.defects.skipped)
        if not self.samples:
            raise ClipbioError(f"there is no usable record: {self.defects.summary()}")
        save_texts(joinable(self.source.species_texts(), self.taxa, self.defects), self.folder / TEXTS)
        return self._manifest()

    def _add(self, specimen: Specimen) -> None:
        try:
            members = members_of(specimen, self.options, self.defects)
        except BadImageError as error:
            self.defects.add(error.kind, f"specimen '{specimen.id}'", described(specimen.image, error))
            return
        except OSError as error:
            self.defects.add("unreadable_file", f"specimen '{specimen.id}'", described(specimen.image, error))
            return
        key = f"{self.samples:09d}"
        location = self._writer(specimen).write(key, members)
        values: dict[str, Any] = dict(zip(RANKS, specimen.taxon.ranks, strict=True))
        values |= {"id": specimen.id, "split": specimen.split, "key": key, **asdict(location)}
        values |= {"group_id": specimen.group_id, "label": specimen.label, "bin": specimen.bin}
        values |= {"source": specimen.source, "licence": specimen.licence, "rights_holder": specimen.rights_holder}
        values |= {"common_name": next(iter(specimen.common_names), "")}
        values |= {"image_digest": image_digest(image_of(members)), "dna_digest": barcode_digest(specimen.dna)}
        self.index.add(values)
        self._count(specimen, members)

    def _count(self, specimen: Specimen, members: dict[str, bytes]) -> None:
        self.samples += 1
        self.images += image_of(members) is not None
        self.masks += MASK_MEMBER in members
        self.barcodes += bool(specimen.dna)
        self.taxa.add(specimen.taxon)
        self.columns.update(specimen.record(), specimen.metadata)
        if not specimen.has_name:
            self.unnamed += 1
            message = "no taxon, common name, label or description"
            self.defects.add("unnamed", f"specimen '{specimen.id}'", message, skipped=False)

    def _writer(self, specimen: Specimen) -> SplitWriter:
        split, options = specimen.split, self.options
        if split not in SPLITS:
            raise ClipbioError(f"specimen '{specimen.id}' has the unknown split '{split}'{nearest(split, SPLITS)}")
        if split not in self.writers:
            limits = {"samples_per_shard": options.samples_per_shard, "bytes_per_shard": options.bytes_per_shard}
            self.writers[split] = SplitWriter(self.folder, split, **limits)
        return self.writers[split]

    def _close_writers(self) -> None:
        for writer in self.writers.values():
            writer.close()

    def _stop_if_bad(self, records: int | None) -> None:
        skipped, share = self.defects.skipped, self.options.max_defect_share
        if records is not None and skipped > share * records:
            raise ClipbioError(
                f"{skipped} of {records} records are unusable, more than max_defect_share={share}: "
                f"{self.defects.summary()}; mend the data or allow more"
            )

    def _manifest(self) -> Manifest:
        shards: list[ShardEntry] = []
        for split in SPLITS:
            shards += self.writers[split].shards if split in self.writers else []
        return Manifest(
            shards=tuple(shards),
            files={name: file_entry(self.folder / name) for name in (INDEX, TEXTS)},
            fingerprint=self.fingerprint,
            made={"clipbio": _version(), "source": type(self.source).__name__, "options": asdict(self.options)},
            columns=self._columns(),
            images=self.images,
            masks=self.masks,
            barcodes=self.barcodes,
            taxa=len(self.taxa - {Taxon()}),
            unnamed=self.unnamed,
            defects=self.defects.to_dict(),
        )

    def _columns(self) -> tuple[str, ...]:
        members = {"image": self.images, "mask": self.masks}
        return tuple(sorted(self.columns - {"metadata"} | {name for name, count in members.items() if count}))


def _version() -> str:
    try:
        return metadata.version("clipbio")
    except metadata.PackageNotFoundError:
        return "unknown"
