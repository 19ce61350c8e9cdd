"""Pictures of the report: kept once, as inline data for HTML and as files for Markdown."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clipbio.data.images import BadImageError
from clipbio.data.thumbnails import thumbnail

__all__ = ["Album", "Picture", "Thumbnail", "shrink"]

logger = logging.getLogger(__name__)

Thumbnail = Callable[[str], bytes | None]
"""Turn the id of a specimen into encoded image bytes of any size, or None if there is no image."""

FOLDER = "report_files"
_SIDE = 220


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture, its file name and what it shows."""

    name: str
    content: bytes
    alt: str

    @property
    def data_uri(self) -> str:
        """Return the picture as a `data:` address."""
        kind = "jpeg" if self.name.endswith(".jpg") else "png"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode('ascii')}"

    @property
    def path(self) -> str:
        """Return the address of the file from the run folder."""
        return f"{FOLDER}/{self.name}"


@dataclass
class Album:
    """All pictures of one report, under safe and unique file names."""

    thumbnail: Thumbnail | None = None
    pictures: dict[str, Picture] = field(default_factory=dict)
    _thumbnails: dict[str, Picture | None] = field(default_factory=dict)

    def plot(self, name: str, content: bytes, alt: str) -> Picture:
        """Add a PNG plot."""
        safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name.replace("@", "-at-")).strip("-") or "plot"
        while f"{safe}.png" in self.pictures:
            safe += "_"
        picture = self.pictures[f"{safe}.png"] = Picture(f"{safe}.png", content, alt)
        return picture

    def specimen(self, specimen_id: str) -> Picture | None:
        """Add the picture of a specimen, made small; None if it has none or it cannot be read."""
        if specimen_id not in self._thumbnails:
            encoded = self.thumbnail(specimen_id) if self.thumbnail else None
            small = None if encoded is None else shrink(encoded, specimen_id)
            name = f"specimen-{len(self._thumbnails):03d}.jpg"
            self._thumbnails[specimen_id] = None if small is None else Picture(name, small, specimen_id)
            if small is not None:
                self.pictures[name] = Picture(name, small, specimen_id)
        return self._thumbnails[specimen_id]

    def save(self, run_dir: Path) -> None:
        """Write the pictures beside the report; those of an earlier report are removed."""
        folder = run_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.suffix in (".png", ".jpg") and old.name not in self.pictures:
                old.unlink()
        for picture in self.pictures.values():
            (folder / picture.name).write_bytes(picture.content)


def shrink(encoded: bytes, specimen_id: str) -> bytes | None:
    """Return a small JPEG. Encoding anew also makes sure that the page holds a picture and nothing else."""
    try:
        return thumbnail(encoded, _SIDE)
    except BadImageError as error:
        logger.warning("no picture of %s in the report: %s", specimen_id, error)
        return None
