"""Image folders: one folder per class, whose name tells the taxon or the label."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from clipbio.data.defects import Defects
from clipbio.data.manifest import SPLITS
from clipbio.data.sources.pictures import IMAGE_SUFFIXES, suffix_of
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_state
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["FolderSource", "Names"]

Names = Literal["scientific", "common", "label"]

_SPLIT_FOLDERS = {name: name for name in SPLITS} | {
    **dict.fromkeys(("training", "train_mini"), "train"),
    **dict.fromkeys(("valid", "validation"), "val"),
    **dict.fromkeys(("testing", "public_test"), "test"),
}
_UNREAD_SUFFIXES = frozenset({".heic", ".heif", ".jp2", ".avif", ".svg", ".dng", ".cr2", ".nef", ".arw"})
_INAT21 = re.compile(r"\d{5}((?:_[^_]+){6}_.+)")
_NUMBER = re.compile(r"^\d+[._\s-]+")
# What follows an epithet is in lower case or an abbreviated author: "Black footed Albatross" is no binomial.
_BINOMIAL = re.compile(r"[A-Z][a-z-]+ (?:[×x] ?)?[a-z][a-z.-]+(?: [a-z×(].*| [A-Z]\S*[.,].*)?")


class FolderSource:
    """Read images that lie in folders named by their class.

    Above the classes there may be folders of splits: when the folders at the top that hold pictures are called train,
    val, test and the like, they are splits; when only some of them are, the folder is refused. A folder name of iNat21,
    `00042_Animalia_..._Corvidae_Pica_hudsonia`, gives all seven ranks.

    Args:
        root: The folder.
        names: What the folder names are: `scientific` takes `Quercus robur` and `Quercus_robur` as a species and all
            else as a label, `common` takes them as common names, `label` as labels alone.
        levels: Ranks of nested class folders from the outer to the inner one, for example `[family, genus, species]`;
            None takes the innermost folder as the class.
        splits: Folders at the top that are read, and the splits they are, such as `{val: test}`; None: all, as they
            are called.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        names: Names = "scientific",
        levels: Sequence[str] | None = None,
        splits: Mapping[str, str] | None = None,
    ) -> None:
        self.root, self.names, self.levels = Path(root), names, tuple(levels or ())
        self.splits = dict(splits or {})
        self.defects = Defects()
        if not self.root.is_dir():
            raise ClipbioError(f"{self.root} is not a folder; give the folder that holds the class folders")
        if names not in ("scientific", "common", "label"):
            raise ClipbioError(f"names={names} is not known{nearest(names, ('scientific', 'common', 'label'))}")
        for level in self.levels:
            if level not in RANKS:
                raise ClipbioError(f"levels: '{level}' is no rank{nearest(level, RANKS)}")
        self._check_splits()

    @cached_property
    def total(self) -> int:
        """Count the pictures."""
        return sum(1 for _ in self._pictures())

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        has_splits = self._has_splits()
        for path in self._pictures():
            folders = path.parts[:-1]
            split = self._split(folders[0]) if has_splits and folders else "train"
            specimen = self._specimen(path, folders[has_splits:], split)
            if specimen is not None:
                yield specimen

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: folders hold no texts."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, and path, size and time of each picture."""
        settings = (self.names, self.levels, *sorted(self.splits.items()))
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for path in self._pictures():
            digest.update(f"{path}:{file_state(self.root / path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _check_splits(self) -> None:
        for folder, split in self.splits.items():
            if split not in SPLITS:
                raise ClipbioError(f"splits.{folder}: unknown split '{split}'{nearest(split, SPLITS)}")
            if not (self.root / folder).is_dir():
                raise ClipbioError(f"{self.root} holds no folder {folder}; it must be the folder above it")

    def _split(self, folder: str) -> str:
        return self.splits[folder] if self.splits else _SPLIT_FOLDERS[folder.lower()]

    def _has_splits(self) -> bool:
        """Tell whether the folders at the top are splits; those without pictures do not count."""
        if self.splits:
            return True
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False))
        splits = [name for name in names if name.lower() in _SPLIT_FOLDERS and self._holds_pictures(name)]
        if not splits:
            return False
        others = [n for n in names if n.lower() not in _SPLIT_FOLDERS and n[0] != "." and self._holds_pictures(n)]
        if others:
            raise ClipbioError(
                f"{self.root}: {', '.join(splits)[:100]} would be splits, {', '.join(others[:5])[:100]} would not; "
                "rename or move the ones or the others"
            )
        return True

    def _holds_pictures(self, name: str) -> bool:
        return next(self._pictures(name), None) is not None

    def _pictures(self, below: str = "") -> Iterator[PurePosixPath]:
        """Yield the paths of pictures below the root in one order; links to folders are not followed."""
        if self.splits and not below:
            for name in sorted(self.splits):
                yield from self._pictures(name)
            return
        for folder, folders, files in os.walk(self.root / below, onerror=_unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            relative = PurePosixPath(Path(folder).relative_to(self.root).as_posix())
            for name in sorted(files):
                if suffix_of(name) in IMAGE_SUFFIXES | _UNREAD_SUFFIXES:
                    yield relative / name

    def _specimen(self, path: PurePosixPath, folders: tuple[str, ...], split: str) -> Specimen | None:
        where = str(path).encode("utf-8", "replace").decode()
        if unusable := self._unusable(path, folders):
            self.defects.add(unusable[0], where, unusable[1])
            return None
        taxon, label = self._class(folders)
        common = (label,) if self.names == "common" and label else ()
        image = self.root / path
        return Specimen(id=str(path), taxon=taxon, image=image, label=label, common_names=common, split=split)

    def _unusable(self, path: PurePosixPath, folders: tuple[str, ...]) -> tuple[str, str] | None:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            return "bad_encoding", "the file name is not UTF-8; rename it"
        if path.suffix.lower() in _UNREAD_SUFFIXES:
            return "unsupported_format", f"pictures of the kind {path.suffix} are not read; convert it to JPEG"
        if not folders:
            return "no_class", "the picture lies in no class folder"
        if self.levels and len(folders) != len(self.levels):
            return "wrong_depth", f"{len(folders)} folders where levels= names {len(self.levels)}"
        return None

    def _class(self, folders: tuple[str, ...]) -> tuple[Taxon, str]:
        """Return the taxon of a path of class folders, and a label where it tells no species."""
        if self.levels:
            taxon = Taxon.from_mapping({rank: _spaced(name) for rank, name in zip(self.levels, folders, strict=True)})
        elif ranks := _INAT21.fullmatch(folders[-1]):
            names = ranks[1][1:].split("_", 6)
            taxon = Taxon.from_mapping(dict(zip(RANKS, map(_spaced, names), strict=True)))
        else:
            return self._named(_label(folders[-1]))
        return taxon, "" if taxon.scientific_name else _label(folders[-1])

    def _named(self, name: str) -> tuple[Taxon, str]:
        if self.names != "scientific" or not _BINOMIAL.fullmatch(name):
            return Taxon(), name
        taxon = Taxon.from_mapping({"species": name})
        return taxon, "" if taxon.scientific_name else name


def _label(name: str) -> str:
    """Return what a folder is called, without the number of its class; empty for `unknown` and the like."""
    spaced = _spaced(name)
    without = _NUMBER.sub("", spaced) or spaced
    return clean_phrase(without) if any(c.isalpha() for c in without) else without


def _unreadable(error: OSError) -> None:
    raise ClipbioError(f"{error.filename} cannot be read ({error.strerror})") from error


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
