"""A bounded folder of shards, shared by any number of processes.

Files are named by their SHA-256 and appear whole, by renaming. There are two kinds of locks, which the system frees
when a process dies: a slot is held by the one that fetches a shard, the door by the one that counts and evicts. What is
being fetched takes its room in advance, by the size in its name. Nobody waits for room while it keeps others from it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from clipbio.data.manifest import ShardEntry
from clipbio.data.remote.fetch import StorageError
from clipbio.errors import ClipbioError

__all__ = ["ShardCache"]

# Seconds between two looks whether there is room.
_PAUSE = 0.05
_SHA256 = re.compile(r"[0-9a-f]{64}")

Fetch = Callable[[Path], None]


class ShardCache:
    """Shards on this machine, the least recently read ones evicted first.

    A shard that is open stays readable when it is evicted: the system keeps its content until it is closed.

    Args:
        folder: Where they stand.
        limit: Bytes that all shards together may take, those that are being fetched included.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        try:
            (folder / "locks").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClipbioError(
                f"{folder} cannot be written ({error.strerror}); set cache_dir= to another folder"
            ) from error

    def open(self, shard: ShardEntry, fetch: Fetch) -> BinaryIO:
        """Return a whole, verified shard, opened for reading.

        Args:
            shard: What the manifest says of it.
            fetch: Writes the shard, verified, to a path.

        Raises:
            StorageError: It cannot be had, or is larger than the cache.
        """
        if _SHA256.fullmatch(shard.sha256) is None or shard.bytes < 0:
            raise StorageError(f"the manifest's SHA-256 or size of {shard.path} is none; prepare the folder again")
        file = self._present(shard)
        return self._fetched(shard, fetch) if file is None else file

    def path(self, shard: ShardEntry) -> Path:
        """Return where a shard stands while it is cached."""
        return self.folder / f"{shard.sha256}.tar"

    def _present(self, shard: ShardEntry) -> BinaryIO | None:
        path = self.path(shard)
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        if os.fstat(file.fileno()).st_size != shard.bytes:
            # What a machine that lost its power may leave of a renamed file: it is replaced.
            file.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
        return file

    def _fetched(self, shard: ShardEntry, fetch: Fetch) -> BinaryIO:
        with self._slot(shard.sha256):
            if (file := self._present(shard)) is not None:
                return file
            part = self._reserved(shard)
            try:
                fetch(part)
                # Opened before others can evict it: a shard that was fetched is read at least once.
                file = part.open("rb", buffering=0)
                part.replace(self.path(shard))
                return file
            finally:
                part.unlink(missing_ok=True)

    def _reserved(self, shard: ShardEntry) -> Path:
        """Return the path of a file that has its room; wait for other fetches to end where they take all of it."""
        if shard.bytes > self.limit:
            raise StorageError(
                f"{shard.path} has {shard.bytes / 1e9:.3g} GB, more than data.remote_cache_gb={self.limit / 1e9:.3g}: "
                "make it larger"
            )
        part = self.folder / f"{shard.sha256}.{shard.bytes}.part"
        while True:
            with FileLock(self.folder / "locks" / "door.lock"):
                if self._make_room(shard):
                    part.touch()
                    return part
            time.sleep(_PAUSE)

    def _make_room(self, shard: ShardEntry) -> bool:
        room = self.limit - shard.bytes
        for part in self.folder.glob("*.part"):
            if self._is_left(part, shard):
                part.unlink(missing_ok=True)
            else:
                room -= int(part.name.split(".")[1])
        found = [entry for entry in os.scandir(self.folder) if entry.name.endswith(".tar")]
        used = sum(entry.stat().st_size for entry in found)
        for entry in sorted(found, key=lambda entry: entry.stat().st_mtime_ns):
            if used <= room:
                break
            with contextlib.suppress(PermissionError):  # Windows keeps what is open
                Path(entry.path).unlink(missing_ok=True)
                used -= entry.stat().st_size
        return used <= room

    def _is_left(self, part: Path, shard: ShardEntry) -> bool:
        """Tell whether a file is of a process that died: then nobody holds its slot, or we do."""
        if part.name[:2] == shard.sha256[:2]:
            return True
        try:
            with self._slot(part.name, timeout=0):
                return True
        except Timeout:
            return False

    def _slot(self, name: str, timeout: float = -1) -> FileLock:
        """Return the lock of all shards that begin with the same two digits: few files, few collisions."""
        return FileLock(self.folder / "locks" / f"{name[:2]}.lock", timeout=timeout)
