"""Where shards lie: beside their manifest, or somewhere from where they are brought."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from clipbio.data.manifest import ShardEntry

__all__ = ["LocalStorage", "ShardStorage"]


class ShardStorage(Protocol):
    """Gives the file of a shard; it may be sent to worker processes."""

    def path(self, shard: ShardEntry) -> Path:
        """Return the local file of a whole shard."""
        ...


class LocalStorage:
    """Shards in a folder of this machine.

    Args:
        root: The folder that the paths of the manifest are relative to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, shard: ShardEntry) -> Path:
        """Return the file of a shard where it stands."""
        return self.root / shard.path
