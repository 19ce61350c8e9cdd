"""Images that a data set names instead of holding them: files, members of zip files, files of the hub."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

from clipbio.data.specimen import Picture

__all__ = ["named_image"]

_MAX_BYTES = 2**29


def named_image(name: str, roots: Sequence[Path]) -> Picture | None:
    """Return the image that a record names, None where it is not there or may not be read.

    A record may name any file of this machine and of the net: only those inside `roots` and on the hub are read.

    Args:
        name: A path, `zip://MEMBER::PATH`, or either of them on the hub (`hf://...`). No other chain is followed: its
            first part alone decides what is opened.
        roots: Folder of the data set, and folders where the library keeps what it fetched.
    """
    *members, place = name.split("::")
    if len(members) > 1 or (members and not members[0].startswith("zip://")):
        return None
    if place.startswith("hf://"):
        return partial(_fetched, name)
    path = next((found for root in roots if (found := _inside(root, place))), None)
    if path is None or not members:
        return path
    return partial(_member, path, members[0].removeprefix("zip://"))


def _inside(root: Path, name: str) -> Path | None:
    try:
        found = (root / name).resolve()
        return found if found.is_relative_to(root.resolve()) and found.is_file() else None
    except (OSError, ValueError):  # longer than a path may be, or with a NUL
        return None


def _member(path: Path, name: str) -> bytes:
    try:
        archive = _opened(path)
        size = archive.getinfo(name).file_size
        if size > _MAX_BYTES:
            raise OSError(f"{path}: {name} is larger than {_MAX_BYTES} bytes")
        return archive.read(name)
    except (zipfile.BadZipFile, KeyError, RuntimeError, zlib.error) as error:
        raise OSError(f"{path}: {name} cannot be read ({error})") from error


@lru_cache(maxsize=8)
def _opened(path: Path) -> zipfile.ZipFile:
    # Kept open: the table of contents of a large file takes long to read.
    return zipfile.ZipFile(path)


def _fetched(url: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(url, "rb") as file:
            data: bytes = file.read(_MAX_BYTES + 1)
    except OSError:
        raise
    except Exception as error:  # drivers raise kinds of their own
        raise OSError(f"{url} cannot be read ({type(error).__name__}: {error})") from error
    if len(data) > _MAX_BYTES:
        raise OSError(f"{url} is larger than {_MAX_BYTES} bytes")
    return data
