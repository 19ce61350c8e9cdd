"""A remote shard folder: its small files brought once, its tars when they are read."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from clipbio.data.manifest import INDEX, MANIFEST, TEXTS, Manifest, ShardEntry, ShardError
from clipbio.data.remote.cache import ShardCache
from clipbio.data.remote.fetch import AbsentError, RemoteOptions, StorageError, fetch
from clipbio.data.roots import shown
from clipbio.errors import ClipbioError

__all__ = ["RemoteStorage", "bring_metadata"]

log = logging.getLogger(__name__)


class RemoteStorage:
    """Tars of a remote folder, read through a bounded cache that all processes of this machine share.

    A shard is opened for each read: it may be evicted between two of them, and is then fetched again.

    Args:
        url: The remote folder.
        cache_dir: The cache folder; shards stand in `remote/shards`.
        options: Bound, attempts and timeout.
    """

    def __init__(self, url: str, cache_dir: Path, options: RemoteOptions) -> None:
        self.url, self.options = _folder_url(url), options
        self.cache = ShardCache(cache_dir / "remote" / "shards", options.cache_bytes)

    def path(self, shard: ShardEntry) -> Path:
        """Return the cached file of a shard, which stays until other shards need its room."""
        self.cache.open(shard, lambda part: self._fetch(shard, part)).close()
        return self.cache.path(shard)

    def read(self, shard: ShardEntry, start: int, length: int) -> bytes:
        """Return at most `length` bytes of a shard."""
        with self.cache.open(shard, lambda part: self._fetch(shard, part)) as file:
            file.seek(start)
            data = file.read(length)
            while len(data) < length and (more := file.read(length - len(data))):
                data += more
        return data

    def name(self, shard: ShardEntry) -> str:
        """Return what a shard is called in errors."""
        return shown(f"{self.url}/{shard.path}")

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def _fetch(self, shard: ShardEntry, part: Path) -> None:
        fetch(f"{self.url}/{shard.path}", part, self.options, shard)


def bring_metadata(url: str, cache_dir: Path, options: RemoteOptions) -> Path:
    """Return a local folder with manifest, index and texts of a remote one, as they are now.

    Where the network is away, those of the last time serve.

    Raises:
        ClipbioError: The URL holds no shard folder, or cannot be reached and never was.
    """
    url = _folder_url(url)
    sets = cache_dir / "remote" / "sets"
    sets.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    with FileLock(sets / f"{name}.lock"):
        for left in sets.glob(f".{name}.*"):
            shutil.rmtree(left)  # of a process that was killed: nobody else holds the lock
        temporary = sets / f".{name}.{os.getpid()}"
        temporary.mkdir()
        try:
            return _brought(url, temporary, sets, name, options)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _brought(url: str, temporary: Path, sets: Path, name: str, options: RemoteOptions) -> Path:
    known = max(sets.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime_ns, default=None)
    try:
        fetch(f"{url}/{MANIFEST}", temporary / MANIFEST, options if known is None else replace(options, retries=0))
    except AbsentError as error:
        raise ClipbioError(
            f"{shown(url)} is not a shard folder: it has no {MANIFEST}; give the URL of a folder that "
            "'python -m clipbio prepare' made"
        ) from error
    except StorageError as error:
        if known is None:
            raise
        log.warning("%s; its state of the last time is used", error)
        return known
    target = sets / f"{name}-{hashlib.sha256((temporary / MANIFEST).read_bytes()).hexdigest()[:16]}"
    if target.is_dir():
        os.utime(target)
        return target
    try:
        manifest = Manifest.load(temporary)
    except ShardError as error:
        raise ShardError(f"{shown(url)}: {str(error).replace(str(temporary), '').lstrip('/')}") from error
    for file in (INDEX, TEXTS):
        fetch(f"{url}/{file}", temporary / file, options, manifest.files[file])
    return temporary.rename(target)


def _folder_url(url: str) -> str:
    if "?" in url or "#" in url:
        raise ClipbioError(f"{shown(url).partition('?')[0]}: a URL with '?' or '#' cannot be a folder of shards")
    return url.rstrip("/")
