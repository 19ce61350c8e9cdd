"""Shard folders: opened where they stand, or made once from a table and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
from filelock import FileLock

from clipbio.data.columns import read_index, taxa_of
from clipbio.data.foreign.catalogue import VERSION, index_foreign
from clipbio.data.foreign.folders import ForeignFolder, find_foreign
from clipbio.data.index import REMEDY, ShardIndex
from clipbio.data.layouts import layout_of
from clipbio.data.manifest import INDEX, MANIFEST, SCHEMA_VERSION, TEXTS, FileEntry, Manifest, ShardEntry, ShardError
from clipbio.data.options import PrepareOptions, PrepareSettings
from clipbio.data.prepare import prepare
from clipbio.data.remote import RemoteOptions, RemoteStorage, bring_metadata
from clipbio.data.roots import is_remote, shown
from clipbio.data.sources.base import Source
from clipbio.data.sources.table import TableSource, find_specimens
from clipbio.data.sources.tabular import SUFFIXES
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.storage import LocalStorage, ShardStorage
from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["ShardError", "ShardFolder", "ShardIndex", "default_cache_dir", "resolve", "resolve_source"]

logger = logging.getLogger(__name__)


class ShardFolder:
    """A folder of shards with its manifest, its index and the texts of its species.

    Args:
        root: Folder of manifest, index and texts on this machine.
        manifest: What stands in it.
        texts: Texts of species.
        storage: Where the shards lie, by default in the folder itself.
        name: What the folder is called in errors, by default its path.
    """

    def __init__(
        self, root: Path, manifest: Manifest, texts: SpeciesTexts, storage: ShardStorage | None = None, name: str = ""
    ) -> None:
        self.root, self.manifest, self.texts = root, manifest, texts
        self.storage = storage or LocalStorage(root)
        self.name = name or str(root)

    @classmethod
    def open(cls, root: str | Path, shards: Path | None = None) -> ShardFolder:
        """Open a folder whose files are all there and as large as the manifest says.

        Args:
            root: The folder of the manifest.
            shards: The folder of the tars, if it is another one.
        """
        root = Path(root)
        manifest, storage = Manifest.load(root), LocalStorage(shards or root)
        for name, file in manifest.files.items():
            _check_size(root / name, file)
        for shard in manifest.shards:
            _check_size(storage.path(shard), shard)
        return cls(root, manifest, _texts(root), storage, str(shards or root))

    @classmethod
    def open_remote(cls, url: str, cache_dir: Path, options: RemoteOptions) -> ShardFolder:
        """Open a folder that stands elsewhere; its tars are fetched when they are read."""
        root = bring_metadata(url, cache_dir, options)
        storage = RemoteStorage(url, cache_dir, options)
        return cls(root, Manifest.load(root), _texts(root), storage, shown(url))

    @property
    def splits(self) -> dict[str, int]:
        """Count the samples of each split."""
        return {name: counts["samples"] for name, counts in self.manifest.splits.items()}

    @cached_property
    def taxa(self) -> tuple[Taxon, ...]:
        """Give the distinct taxa of all splits."""
        return taxa_of(read_index(self.root / INDEX, columns=RANKS))[0]

    def index(self, split: str) -> ShardIndex:
        """Return the samples of a split."""
        if split not in self.splits:
            raise ClipbioError(f"{self.name} has no split '{split}'{nearest(split, self.splits)}")
        shards, layout = self.manifest.shards_of(split), layout_of(self.manifest.layout, self.root)
        return ShardIndex(self.root, split, shards, self.texts, storage=self.storage, layout=layout)


def default_cache_dir() -> Path:
    """Return the folder for what can be made again, below the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clipbio"


def resolve(
    root: str | Path,
    cache_dir: str | Path | None = None,
    *,
    progress: bool = True,
    remote: RemoteOptions | None = None,
    **settings: Unpack[PrepareSettings],
) -> ShardFolder:
    """Return the shard folder that stands at `root`, or that is prepared once from the specimen table there.

    Shards that others wrote (BioCLIP, CLIP_benchmark) are indexed once and read where they stand.

    Args:
        root: A shard folder, its URL, a folder of foreign shards, or the folder of a specimen table.
        cache_dir: Where prepared tables, indices and remote shards are kept; None is the user's cache folder.
        progress: Show a progress bar while a table is prepared.
        remote: How shards are fetched from a URL.
        settings: See `PrepareOptions`; they matter for tables only.
    """
    if is_remote(root, "root"):
        return ShardFolder.open_remote(str(root), Path(cache_dir or default_cache_dir()), remote or RemoteOptions())
    root = Path(root)
    if not root.is_dir():
        raise ClipbioError(f"{root} is not a folder; give a shard folder, or the folder of a specimen table")
    if (root / MANIFEST).is_file():
        return ShardFolder.open(root)
    if find_specimens(root):
        return resolve_source(TableSource(root), cache_dir, progress=progress, **settings)
    if foreign := find_foreign(root):
        return _resolve_foreign(foreign, cache_dir, PrepareOptions(**settings), progress=progress)
    tables = ", ".join(f"specimens{suffix}" for suffix in SUFFIXES)
    raise ClipbioError(
        f"{root} is neither a shard folder ({MANIFEST}, or tars) nor a specimen table ({tables}): none is there"
    )


def resolve_source(
    source: Source,
    cache_dir: str | Path | None = None,
    *,
    progress: bool = True,
    **settings: Unpack[PrepareSettings],
) -> ShardFolder:
    """Prepare a source into the cache unless it is there already; of several processes, one does the work."""
    parts = [SCHEMA_VERSION, source.fingerprint(), asdict(PrepareOptions(**settings))]

    def make(folder: Path) -> None:
        logger.info("preparing shards in %s", folder)
        prepare(source, folder, overwrite=True, progress=progress, **settings)

    return _made_once(_cache_folder(cache_dir, "shards"), parts, make)


def _resolve_foreign(
    foreign: ForeignFolder, cache_dir: str | Path | None, options: PrepareOptions, *, progress: bool
) -> ShardFolder:
    """Open foreign shards by an index in the cache, made by one pass over their headers when a tar is new."""
    parts = [SCHEMA_VERSION, VERSION, str(foreign.root.resolve()), foreign.states(), options.max_defect_share]

    def make(folder: Path) -> None:
        logger.info("indexing %s in %s", foreign.root, folder)
        index_foreign(foreign, folder, max_defect_share=options.max_defect_share, progress=progress)

    logger.info("%s: images are told apart by their place; 'prepare source=webdataset' finds equal ones", foreign.root)
    return _made_once(_cache_folder(cache_dir, "foreign"), parts, make, foreign.root)


def _cache_folder(cache_dir: str | Path | None, name: str) -> Path:
    folder = Path(cache_dir or default_cache_dir()) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClipbioError(
            f"{folder} cannot be written ({error.strerror}); set cache_dir= to another folder"
        ) from error
    return folder


def _made_once(cache: Path, parts: list[Any], make: Callable[[Path], None], shards: Path | None = None) -> ShardFolder:
    """Open what is in the cache under the hash of some parts; of several processes, one makes it."""
    name = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()
    if (folder := _cached(cache / name, shards)) is not None:
        return folder
    with FileLock(cache / f"{name}.lock"):
        if (folder := _cached(cache / name, shards)) is None:
            for left in cache.glob(f".{name}.*"):
                shutil.rmtree(left, ignore_errors=True)  # of a process that was killed: nobody else holds the lock
            make(cache / name)
            folder = ShardFolder.open(cache / name, shards)
    return folder


def _cached(path: Path, shards: Path | None) -> ShardFolder | None:
    if not (path / MANIFEST).is_file():
        return None
    try:
        return ShardFolder.open(path, shards)
    except ShardError as error:
        logger.warning("the cached shards are damaged and made again: %s", error)
        return None


def _texts(root: Path) -> SpeciesTexts:
    try:
        return SpeciesTexts.load(root / TEXTS)
    except (pa.ArrowException, OSError, TypeError) as error:
        raise ShardError(f"{root / TEXTS} is damaged ({str(error).splitlines()[0]}); {REMEDY}") from error


def _check_size(path: Path, entry: ShardEntry | FileEntry) -> None:
    if not path.is_file():
        raise ShardError(f"{path} is missing; {REMEDY}")
    if (size := path.stat().st_size) != entry.bytes:
        told = "truncated" if size < entry.bytes else "not the file that was prepared"
        raise ShardError(f"{path} has {size} bytes, the manifest says {entry.bytes}: {told}; {REMEDY}")
