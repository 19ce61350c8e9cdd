"""From a source to a shard folder, written whole or not at all."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

from clipbio.data.assembly import assemble
from clipbio.data.manifest import MANIFEST, Manifest
from clipbio.data.options import PrepareOptions, PrepareSettings
from clipbio.data.parts import PartsFolder, write_part
from clipbio.data.sources.base import Source
from clipbio.errors import ClipbioError

__all__ = ["merge_parts", "prepare", "prepare_part"]

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
    with _told(out), _replaced(out, overwrite=overwrite) as folder:
        parts = PartsFolder(folder / ".parts", 1)
        parts.agree(source.fingerprint(), options)
        write_part(source, parts, 0, progress=progress)
        manifest = assemble(source, parts, folder)
        shutil.rmtree(parts.path)
        manifest.save(folder)
    return _summed_up(source, out, manifest)


def prepare_part(
    source: Source,
    out: str | Path,
    part: int,
    parts: int,
    *,
    progress: bool = True,
    **settings: Unpack[PrepareSettings],
) -> None:
    """Write one of several parts of what `prepare` writes; any number of them may run at once.

    They gather in a folder beside `out`. A part that is whole is left as it is, of one that was interrupted what was
    finished is kept. `merge_parts` makes the shard folder of them, the same byte for byte as `prepare` would have.

    Args:
        source: The same source for all parts.
        out: The shard folder that will be.
        part: Number of this part, from 0.
        parts: Number of all parts.
        progress: Show a progress bar.
        settings: See `PrepareOptions`.
    """
    folder, options = _parts_folder(Path(out).resolve(), parts), PrepareOptions(**settings)
    if not 0 <= part < parts:
        raise ClipbioError(f"part={part} must lie between 0 and {parts - 1}: parts={parts}")
    with _told(folder.path):
        folder.agree(source.fingerprint(), options)
        write_part(source, folder, part, progress=progress)


def merge_parts(source: Source, out: str | Path, parts: int, *, overwrite: bool = False) -> Manifest:
    """Make one shard folder of all parts, and remove what they left."""
    out = Path(out).resolve()
    folder = _parts_folder(out, parts)
    if not (folder.path / "plan.json").is_file():
        raise ClipbioError(f"{folder.path} is not there: no part was prepared; run part=0 to part={parts - 1} first")
    with _told(out), _replaced(out, overwrite=overwrite) as partial:
        folder.agree(source.fingerprint(), folder.options)
        manifest = assemble(source, folder, partial)
        manifest.save(partial)
    shutil.rmtree(folder.path)
    return _summed_up(source, out, manifest)


def _parts_folder(out: Path, parts: int) -> PartsFolder:
    if parts < 1:
        raise ClipbioError(f"parts={parts} must be at least 1")
    return PartsFolder(out.with_name(f"{out.name}.parts"), parts)


def _summed_up(source: Source, out: Path, manifest: Manifest) -> Manifest:
    if source.defects:
        logger.warning("%s: %d records skipped; %s", out, source.defects.skipped, source.defects.summary())
    logger.info("%s: %d samples in %d shards", out, manifest.samples, len(manifest.shards))
    return manifest


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Tell what the file system refuses in one line."""
    try:
        yield
    except OSError as error:
        raise ClipbioError(f"preparing {out} failed: {error}") from error


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
def _replaced(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place at the end, or vanishes after an exception."""
    _refuse(out, overwrite=overwrite)
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
