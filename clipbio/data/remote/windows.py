"""Whether the cache holds what is read at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from clipbio.data.index import ShardIndex
from clipbio.data.remote.fetch import RemoteOptions
from clipbio.data.remote.storage import RemoteStorage
from clipbio.errors import ClipbioError

__all__ = ["check_windows"]


def check_windows(
    streams: Iterable[tuple[ShardIndex, npt.NDArray[np.int64]]], window: int, options: RemoteOptions
) -> None:
    """Refuse a cache that is smaller than what the streams read at a time: shards would be fetched again and again.

    Args:
        streams: Index and rows of each stream.
        window: Number of shards that a stream mixes.
        options: They name the bound of the cache.
    """
    windows = [sizes for index, rows in streams if (sizes := _sizes(index, rows))]
    needed = _total(windows, window)
    if needed > options.cache_bytes:
        fitting = next((n for n in range(window, 0, -1) if _total(windows, n) <= options.cache_bytes), 0)
        smaller = f", or data.window={fitting}" if fitting else ""
        raise ClipbioError(
            f"data.remote_cache_gb={options.cache_gb:g} holds less than the {needed / 1e9:.3g} GB of a window, which "
            f"data.window={window} shards of each stream are: set data.remote_cache_gb={_rounded_up(needed)}{smaller}"
        )


def _total(windows: Iterable[list[int]], window: int) -> int:
    return sum(sum(sizes[:window]) for sizes in windows)


def _sizes(index: ShardIndex, rows: npt.NDArray[np.int64]) -> list[int]:
    """Return the sizes of the remote shards in which rows stand, the largest first."""
    if not isinstance(index.storage, RemoteStorage):
        return []
    return sorted((index.shards[number].bytes for number in np.unique(index.shard_N[rows])), reverse=True)


def _rounded_up(size: int) -> str:
    digits = 3 if size >= 10**9 else 9
    return f"{-(-size * 10**digits // 10**9) / 10**digits:.{digits}f}".rstrip("0").rstrip(".")
