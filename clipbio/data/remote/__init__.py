"""Shards that stand elsewhere: fetched when they are read, verified, and kept in a bounded cache."""

from clipbio.data.remote.cache import ShardCache
from clipbio.data.remote.fetch import RemoteOptions, StorageError
from clipbio.data.remote.storage import RemoteStorage, bring_metadata
from clipbio.data.remote.windows import check_windows

__all__ = ["RemoteOptions", "RemoteStorage", "ShardCache", "StorageError", "bring_metadata", "check_windows"]
