"""The bytes of pictures, read for comparing them."""

from __future__ import annotations

from pathlib import Path

from clipbio.data.specimen import Picture
from clipbio.errors import ClipbioError

__all__ = ["picture_size", "read_picture"]


def read_picture(picture: Picture | None) -> bytes:
    """Return the encoded bytes of a picture, empty if it cannot be read: `prepare` will say why."""
    try:
        if isinstance(picture, Path):
            return picture.read_bytes()
        return b"" if picture is None else picture if isinstance(picture, bytes) else picture()
    except (OSError, ClipbioError):
        return b""


def picture_size(picture: Picture | None) -> int:
    """Return the size of a picture in bytes: of a file without reading it; 0 if it cannot be read."""
    try:
        return picture.stat().st_size if isinstance(picture, Path) else len(read_picture(picture))
    except OSError:
        return 0
