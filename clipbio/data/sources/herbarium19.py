"""Herbarium 2019 for the discovery of categories: folders of classes, and which of them count as old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import text
from clipbio.data.sources.pictures import IMAGE_SUFFIXES, suffix_of
from clipbio.data.sources.published_set import PublishedSet, known_file, labelled_picture
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.files import read_json

__all__ = ["Herbarium19Source"]

_FOLDERS = {"small-train": "train", "small-validation": "test"}
_SETS = ("old", "new")


class Herbarium19Source(PublishedSet):
    """Read the small Herbarium 2019; the metadata `class_set` says whether a class is `old` or `new`.

    Which classes are old was published as a pickle, which is never opened here: it must be converted to
    `class_splits.json`, `{"Old": [...], "New": [...]}`, or to `class_splits.csv` with the columns `class` and `set`. A
    whole number is the place of a folder among the sorted folders of `small-train` from 0, as in the pickle; any other
    word is the name of a folder.

    Source: Tan et al. 2019, arXiv:1906.05372; old and new classes: Vaze et al. 2022, arXiv:2201.02609.

    Args:
        root: Folder with `small-train`, `small-validation` and the converted list of classes.
    """

    def __init__(self, root: str | Path) -> None:
        self._list = known_file(root, "class_splits.json", "class_splits.csv")
        super().__init__(root, [self._list])
        for name in _FOLDERS:
            if not (self.root / name).is_dir():
                raise ClipbioError(f"{self.root} holds no folder {name}; give the one of the data set as published")

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per picture."""
        for folder, split in _FOLDERS.items():
            for below in _classes(self.root / folder):
                if below.name not in self._set_of:
                    raise ClipbioError(f"{self._list} says of class '{below.name}' neither old nor new; add it")
                for path in sorted(one for one in below.iterdir() if suffix_of(one.name) in IMAGE_SUFFIXES):
                    identity, metadata = path.relative_to(self.root).as_posix(), {"class_set": self._set_of[below.name]}
                    yield identity, labelled_picture(identity, path, below.name, split, metadata)

    @cached_property
    def _set_of(self) -> dict[str, str]:
        """Return class folder -> old or new."""
        names = [below.name for below in _classes(self.root / "small-train")]
        found: dict[str, str] = {}
        for word, told in self._told():
            name = names[int(word)] if word.isdecimal() and int(word) < len(names) else word
            if found.setdefault(name, told) != told or name not in names:
                problem = "is no folder of small-train" if name not in names else "is both old and new"
                raise ClipbioError(f"{self._list}: class '{word}' {problem}; convert the published list again")
        return found

    def _told(self) -> Iterator[tuple[str, str]]:
        """Yield class and set as the list gives them."""
        if self._list.suffix == ".csv":
            table = TabularFile(self._list, required=["class", "set"])
            pairs = [(text(cells["class"]), text(cells["set"])) for _, cells in table.rows(Defects())]
        else:
            pairs = [(str(one), str(key)) for key, ones in _lists(read_json(self._list), self._list) for one in ones]
        for word, told in pairs:
            if told.lower() not in _SETS:
                raise ClipbioError(f"{self._list}: class '{word}' is '{told}', and must be old or new")
            yield word, told.lower()


def _lists(value: Any, path: Path) -> list[tuple[str, list[Any]]]:
    if not isinstance(value, Mapping) or not all(isinstance(ones, list) for ones in value.values()):
        raise ClipbioError(f'{path} must be {{"Old": [...], "New": [...]}}; convert the published list again')
    return [(str(key), ones) for key, ones in value.items()]


def _classes(folder: Path) -> list[Path]:
    """Return the class folders in the order in which the published code numbers them."""
    return sorted((below for below in folder.iterdir() if below.is_dir()), key=lambda below: below.name)
