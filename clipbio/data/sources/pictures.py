"""Pictures of a downloaded table: which file of a folder belongs to which record.

Exports of GBIF, iNaturalist, Symbiota and BOLD hold addresses of pictures, not pictures. Nothing is downloaded here:
the files lie in a folder, and are found by their names alone, in whatever folder below it and with any image suffix.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from clipbio.data.defects import Defects
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_state

__all__ = [
    "IMAGE_SUFFIXES",
    "Medium",
    "NamedBy",
    "Pictures",
    "check_folder",
    "pictures_state",
    "stems_of_url",
    "suffix_of",
]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})

NamedBy = Literal["address", "id"]

# File names that say how large a picture is instead of which one: iNaturalist's, and those of the IIIF protocol.
_SIZES = frozenset({"original", "large", "medium", "small", "square", "thumb"})
_IIIF = frozenset({"default", "native", "color", "gray"})
_NUMBERED = re.compile(r"(.+)_([1-9]\d{0,2})")
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Medium:
    """One picture that a record names, by the addresses it is given under."""

    urls: tuple[str, ...] = ()
    licence: str = ""
    rights_holder: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Pictures:
    """The picture files of a folder by the stems of their names, in memory while a source is read.

    Args:
        folder: Where the pictures lie, possibly in folders of folders; None where there are none.
        named_by: What the files are called by: the `address` they were downloaded from or the `id` of their record.
            Never both: the number of one observation is that of another one's photo.
        defects: Told of names that occur twice, which belong to no record.
    """

    def __init__(self, folder: Path | None, named_by: NamedBy, defects: Defects) -> None:
        self.folder, self.named_by, self._defects = folder, named_by, defects
        self._files: dict[str, str] = {}
        self._owners: dict[str, frozenset[str]] = {}
        self._records: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()
        self._numbers: dict[str, list[int]] = {}
        twice: dict[str, str] = {}
        for path in _files(folder):
            stem = PurePosixPath(path).stem.lower()
            if stem in self._files:
                twice[stem] = path
            self._files.setdefault(stem, path)
        for stem, path in twice.items():
            defects.add("ambiguous_image", path, f"has the name of {self._files.pop(stem)}", skipped=False)
        for stem in self._files if named_by == "id" else ():
            if numbered := _NUMBERED.fullmatch(stem):
                self._numbers.setdefault(numbered[1], []).append(int(numbered[2]))

    def find(self, key: str, media: Sequence[Medium]) -> list[Path | None]:
        """Return the file of each picture of a record.

        By id, the i-th picture (from 1) is `KEY_i`, a single one also `KEY`, and a file belongs to the first record
        that has its name; another one is counted. By address, a file belongs to the first address that has its name,
        and to no other one.
        """
        if self.named_by == "address":
            return [self._addressed(medium) for medium in media]
        alone = [self._owned(key)] if len(media) == 1 else [None] * len(media)
        return [self._owned(key, number) or one for number, one in enumerate(alone, start=1)]

    def numbered(self, key: str, count: int = 0) -> list[tuple[int, Path | None]]:
        """Return number and file of the pictures `KEY_1`, `KEY_2` ... of a record that names no addresses.

        There are at least `count` of them; where one is not there, the file is None. `KEY` is the first one, and has
        the number 0 where `KEY_1` is there too.
        """
        if self.named_by == "address":
            return []
        known = self._numbers.get(key.lower(), []) + self._numbers.get(_UNSAFE.sub("_", key.lower()), [])
        found = [(number, self._owned(key, number)) for number in range(1, max([count, *known]) + 1)]
        if (alone := self._owned(key)) is not None:
            found = [(0, alone), *found] if found and found[0][1] else [(1, alone), *found[1:]]
        return found if any(path for _, path in found) or count else []

    def _addressed(self, medium: Medium) -> Path | None:
        urls = frozenset(url.split("://")[-1] for url in medium.urls)
        for stem in (stem for url in medium.urls for stem in stems_of_url(url)):
            path = self._file(stem)
            if path is not None and urls & self._owners.setdefault(stem.lower(), urls):
                return path
        return None

    def _owned(self, key: str, number: int = 0) -> Path | None:
        """Return the file of a record, unless it is another one's: `a/b` and `a_b` are one name."""
        path = self._file(f"{key}_{number}" if number else key)
        if path is None or (owner := self._records.setdefault(path.name, key)) == key:
            return path
        if (path.name, key) not in self._told:
            self._told.add((path.name, key))
            message = f"is the picture of the record {owner}, and {key} looks for the same name"
            self._defects.add("ambiguous_image", path.name, message, skipped=False)
        return None

    def _file(self, stem: str) -> Path | None:
        path = self._files.get(stem.lower()) or self._files.get(_UNSAFE.sub("_", stem.lower()))
        return None if path is None or self.folder is None else self.folder / path


def stems_of_url(url: str) -> tuple[str, ...]:
    """Return the names under which the file of an address may have been stored, without suffix.

    That is the last part of its path. Where this only tells a size (`photos/123/medium.jpg`, `iiif/abc/full/max/0/
    default.jpg`), it is the part that names the picture.
    """
    try:
        parts = [part for part in unquote(urlsplit(url).path).split("/") if part]
    except ValueError:
        return ()
    if not parts:
        return ()
    name = PurePosixPath(parts[-1])
    stem = name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
    if stem.lower() in _SIZES:
        return (parts[-2],) if len(parts) > 1 else ()
    if stem.lower() in _IIIF:
        return tuple(filter(None, (parts[-5], PurePosixPath(parts[-5]).stem))) if len(parts) > 4 else ()
    return (stem,) if stem else ()


def check_folder(images: str | Path | None, named_by: str = "id") -> Path | None:
    """Return the folder of pictures, which must be there if one is given; check what its files are named by."""
    if named_by not in ("address", "id"):
        raise ClipbioError(f"images_named_by={named_by} is not known{nearest(named_by, ('address', 'id'))}")
    if images is None:
        return None
    folder = Path(images)
    if not folder.is_dir():
        raise ClipbioError(f"images={folder} is not a folder; give the one that holds the downloaded pictures")
    return folder


def pictures_state(folder: Path | None) -> str:
    """Return a hash of names, sizes and times of the pictures of a folder."""
    digest = hashlib.blake2b(digest_size=16)
    for path in _files(folder):
        assert folder is not None
        digest.update(f"{path}:{file_state(folder / path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path | None) -> Iterator[str]:
    """Yield the paths of pictures relative to a folder in one order; links to folders are not followed."""
    if folder is None:
        return
    for below, folders, names in os.walk(folder):
        folders.sort()
        relative = PurePosixPath(Path(below).relative_to(folder).as_posix())
        for name in sorted(names):
            if suffix_of(name) in IMAGE_SUFFIXES:
                yield str(relative / name)


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case; much quicker than a path's, for folders of millions."""
    return f".{name.rpartition('.')[2].lower()}"
