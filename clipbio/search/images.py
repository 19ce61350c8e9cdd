"""Pictures of an index: small ones stored in it, and full ones that lie elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PictureFile", "is_picture", "read_original"]

LARGEST = 64 * 2**20
"""Bytes of the largest full picture that is read."""


class PictureFile:
    """The small pictures of one part. Kept open, so that a writer may remove the file; read by several threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes of one."""
        return os.pread(self._file.fileno(), length, offset)


def is_picture(data: bytes) -> bool:
    """Tell by its first bytes whether `data` is a JPEG, PNG, WebP, TIFF or BMP file."""
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return data.startswith(starts) or is_webp or (data[:2] == b"BM" and data[6:10] == bytes(4))


def read_original(folder: str, name: str, offset: int, length: int, largest: int = LARGEST) -> bytes | None:
    """Return a picture that lies in a folder, None if it is not there, is no picture, is too large or lies elsewhere.

    Args:
        folder: The folder outside which nothing is read, links followed.
        name: The path of the file in it.
        offset: Where the picture begins.
        length: Its bytes, -1 for the whole file.
        largest: Bytes of the largest picture that is read.
    """
    try:
        root = Path(folder).resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not path.is_file() or offset < 0:
            return None
        length = path.stat().st_size if length < 0 else length
        if length > largest:
            return None
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except (OSError, ValueError, RuntimeError):
        return None
    return data if len(data) == length and is_picture(data) else None
