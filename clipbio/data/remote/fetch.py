"""One file from a URL: with retries, and compared with what the manifest says of it."""

from __future__ import annotations

import errno
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback

from clipbio.data.manifest import FileEntry, ShardEntry
from clipbio.data.roots import shown
from clipbio.errors import ClipbioError
from clipbio.files import file_hash

__all__ = ["AbsentError", "RemoteOptions", "StorageError", "fetch"]

log = logging.getLogger(__name__)

# Seconds before the second attempt; doubled for each further one.
_BACKOFF = 0.5
_LONGEST_PAUSE = 30.0
# Of a file whose size nothing tells beforehand, the manifest itself.
_MAX_BYTES = 2**28
_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "hf": "huggingface"}


class StorageError(ClipbioError):
    """A remote file that cannot be had; it stops the run, because a missing shard is not a skipped specimen."""

    def __init__(self, message: str) -> None:
        # A loader puts the traceback of its worker before the message.
        *_, last = message.rstrip().splitlines() or [""]
        super().__init__(last.removeprefix(f"{type(self).__module__}.{type(self).__qualname__}: "))


class AbsentError(StorageError):
    """There is no such file."""


@dataclass(frozen=True)
class RemoteOptions:
    """How remote files are fetched and kept.

    Args:
        cache_gb: Bound of all cached shards together, in units of 10**9 bytes.
        retries: Further attempts after a failed one.
        timeout: Seconds without an answer after which an attempt has failed.
    """

    cache_gb: float = 50.0
    retries: int = 4
    timeout: float = 60.0

    def __post_init__(self) -> None:
        for name, least in (("cache_gb", 0), ("timeout", 0), ("retries", -1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least < value < float("inf"):
                raise ClipbioError(f"data.remote_{name}={value} must be a number of more than {least}")

    @property
    def cache_bytes(self) -> int:
        """Return the bound in bytes."""
        return int(self.cache_gb * 10**9)


def fetch(url: str, target: Path, options: RemoteOptions, entry: FileEntry | ShardEntry | None = None) -> None:
    """Download a file.

    Args:
        url: What is fetched.
        target: Where it goes; what stands there is overwritten.
        options: Attempts and timeout.
        entry: Size and SHA-256 that it must have.

    Raises:
        AbsentError: There is no such file.
        StorageError: It cannot be had, or it is never what the manifest says, or the disk is full.
    """
    reason = ""
    for attempt in range(int(options.retries) + 1):
        if attempt:
            pause = min(_BACKOFF * 2 ** (attempt - 1), _LONGEST_PAUSE)
            log.warning("%s: %s; fetched again in %g s", shown(url), reason, pause)
            time.sleep(pause)
        reason = _attempt(url, target, options.timeout, entry)
        if not reason:
            return
    raise StorageError(
        f"{shown(url)} cannot be had: {reason} (attempts: {int(options.retries) + 1}); look whether it is there and "
        "whole, or raise data.remote_retries"
    )


def _attempt(url: str, target: Path, timeout: float, entry: FileEntry | ShardEntry | None) -> str:
    """Return what went wrong; empty if nothing did."""
    try:
        files, path = fsspec.core.url_to_fs(url, **_settings(url, timeout))
        files.get_file(path, str(target), callback=_limit(_MAX_BYTES if entry is None else entry.bytes))
        return "" if entry is None else _difference(target, entry)
    except ImportError as error:
        scheme = urlsplit(url).scheme.lower()
        extra = _EXTRAS.get(scheme, scheme)
        raise StorageError(f"{scheme}:// needs a driver: pip install 'clipbio[{extra}]' ({error})") from error
    except FileNotFoundError as error:
        raise AbsentError(f"{shown(url)} does not exist") from error
    except PermissionError as error:
        raise StorageError(f"{shown(url)} may not be read: {_first_line(error)}") from error
    except Exception as error:  # drivers raise kinds of their own for what a second attempt may cure
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"{target.parent} is full: give another cache_dir or a smaller cache") from error
        return shown(f"{type(error).__name__}: {_first_line(error)}")


def _settings(url: str, timeout: float) -> dict[str, Any]:
    """Return the driver's settings: each has its own word for a timeout, some have none."""
    scheme = urlsplit(url).scheme.lower()
    if scheme in ("http", "https"):
        import aiohttp

        limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        return {"client_kwargs": {"timeout": limits}}
    if scheme == "s3":
        return {"config_kwargs": {"connect_timeout": timeout, "read_timeout": timeout}}
    return {}


def _limit(most: int) -> Callback:
    """Return what stops a download that is larger than it may be."""

    def check(size: int | None, value: int, **_: Any) -> None:
        if value > most:
            raise OSError(f"it has more than the {most} bytes that the manifest says")

    return Callback(hooks={"limit": check})


def _difference(path: Path, entry: FileEntry | ShardEntry) -> str:
    if (size := path.stat().st_size) != entry.bytes:
        return f"it has {size} bytes, the manifest says {entry.bytes}"
    return "" if file_hash(path) == entry.sha256 else "its SHA-256 is not that of the manifest"


def _first_line(error: Exception) -> str:
    return (str(error) or "no answer").splitlines()[0][:300]
