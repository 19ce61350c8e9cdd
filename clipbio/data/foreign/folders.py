"""Folders of foreign shards: which tars are there, of which split, in which layout."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from clipbio.data.manifest import SPLITS
from clipbio.errors import ClipbioError
from clipbio.files import file_state

__all__ = ["COUNT", "ForeignFolder", "find_foreign"]

logger = logging.getLogger(__name__)

_NAMES = {name: name for name in SPLITS} | {"validation": "val", "valid": "val", "dev": "val"}
_SIZE = re.compile(r"\d+x\d+")
COUNT = "nshards.txt"
_DEPTH = 3


@dataclass(frozen=True)
class ForeignFolder:
    """Tars without a manifest.

    Args:
        root: The folder.
        layout: Name of the layout of their samples.
        shards: Split and path inside the folder of each tar, in their order.
    """

    root: Path
    layout: str
    shards: tuple[tuple[str, str], ...]

    def path(self, shard: str) -> Path:
        """Return the file of a shard."""
        return self.root / shard

    def states(self) -> list[tuple[str, str, str]]:
        """Return split, path, and size and time of each tar: what tells whether the folder has changed."""
        told = [(split, shard, file_state(self.path(shard))) for split, shard in self.shards]
        return told + [("", name, file_state(self.root / name)) for name in ("classnames.txt", "dataset_type.txt")]


def find_foreign(root: Path) -> ForeignFolder | None:
    """Return the shards that stand in a folder without a manifest, None if there are none.

    Known are `SPLIT/*.tar`, `*.tar` alone, and both below `WIDTHxHEIGHT/` (BioCLIP) or a single folder.
    """
    try:
        if any((root / name / COUNT).is_file() for name in _NAMES):
            return _counted(root)
        return _found(root)
    except OSError as error:
        raise ClipbioError(f"{root} cannot be read ({error.strerror}: {error.filename})") from error


def _found(root: Path) -> ForeignFolder | None:
    folder = root
    for _ in range(_DEPTH):
        if splits := _splits(folder):
            inside = folder.relative_to(root)
            shards = [(split, (inside / path).as_posix()) for split, paths in splits.items() for path in paths]
            # Class names stand beside the tars of CLIP_benchmark alone.
            layout = "clip_benchmark" if (root / "classnames.txt").is_file() else "bioclip"
            return ForeignFolder(root, layout, tuple(shards))
        below = _folders(folder)
        sizes = [path for path in below if _SIZE.fullmatch(path.name)]
        if len(sizes) > 1:
            told = ", ".join(path.name for path in sizes)
            raise ClipbioError(f"{folder} holds images of several sizes ({told}): give one of these folders")
        if len(sizes or below) != 1:
            return None
        folder = (sizes or below)[0]
    return None


def _splits(folder: Path) -> dict[str, list[str]]:
    """Return the tars of each split, relative to the folder."""
    if own := _tars(folder):
        return {_NAMES.get(folder.name, "train"): own}
    found: dict[str, list[str]] = {}
    for below in _folders(folder):
        tars = [f"{below.name}/{tar}" for tar in _tars(below)]
        if tars and below.name in _NAMES:
            found.setdefault(_NAMES[below.name], []).extend(tars)
        elif tars:
            logger.warning("%s is no split that is known: its %d tars are not read", below, len(tars))
    return {name: found[name] for name in SPLITS if name in found}


def _counted(root: Path) -> ForeignFolder:
    """Return the shards of CLIP_benchmark's layout: a file tells how many each split has."""
    shards: list[tuple[str, str]] = []
    for name, split in _NAMES.items():
        path = root / name / COUNT
        if not path.is_file():
            continue
        told = path.read_bytes()[:32].strip()
        if not told.isdigit() or len(told) > 9:
            raise ClipbioError(f"{path} must hold the number of shards alone")
        for number in range(int(told)):
            if not (root / name / f"{number}.tar").is_file():
                raise ClipbioError(f"{root / name} has no {number}.tar, but {COUNT} tells {int(told)} shards")
            shards.append((split, f"{name}/{number}.tar"))
    if not shards:
        raise ClipbioError(f"{root} has no shard: {COUNT} tells 0")
    return ForeignFolder(root, "clip_benchmark", tuple(shards))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _tars(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.tar") if path.is_file() and not path.name.startswith("."))
