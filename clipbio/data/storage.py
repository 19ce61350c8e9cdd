"""Where shards lie: beside their manifest, or somewhere from where they are brought."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from clipbio.data.manifest import ShardEntry
from clipbio.data.tar import Handles

__all__ = ["LocalStorage", "ShardStorage"]


class ShardStorage(Protocol):
    """Reads shards; it may be sent to worker processes."""

    def path(self, shard: ShardEntry) -> Path:
        """Return the local file of a whole shard."""
        ...

    def read(self, shard: ShardEntry, start: int, length: int) -> bytes:
        """Return at most `length` bytes of a shard."""
        ...

    def name(self, shard: ShardEntry) -> str:
        """Return what a shard is called in errors."""
        ...

    def close(self) -> None:
        """Close what this process has open."""
        ...


class LocalStorage:
    """Shards in a folder of this machine.

    Args:
        root: The folder that the paths of the manifest are relative to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._handles = Handles()

    def path(self, shard: ShardEntry) -> Path:
        """Return the file of a shard where it stands."""
        return self.root / shard.path

    def read(self, shard: ShardEntry, start: int, length: int) -> bytes:
        """Return at most `length` bytes of a shard, which stays open for the next time."""
        return self._handles.read(self.path(shard), start, length)

    def name(self, shard: ShardEntry) -> str:
        """Return the path of a shard."""
        return str(self.path(shard))

    def close(self) -> None:
        """Close the open shards."""
        self._handles.close()
