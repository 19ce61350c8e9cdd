"""Animals with Attributes 2: a folder per class, and a table of classes and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from clipbio.data.sources.pictures import IMAGE_SUFFIXES, suffix_of
from clipbio.data.sources.published_set import PublishedSet, known_file, labelled_picture, lines_of
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError

__all__ = ["Awa2Source"]

_MATRIX = "predicate-matrix-binary.txt"
_SPLITS = {"train": "trainclasses.txt", "test": "testclasses.txt"}


class Awa2Source(PublishedSet):
    """Read AwA2; the attributes of a class are the metadata `traits` of its pictures, `{name: 0 or 1}`.

    Source: Xian et al. 2018, arXiv:1707.00600.

    Args:
        root: Folder with `classes.txt`, `predicates.txt`, `predicate-matrix-binary.txt`, `trainclasses.txt`,
            `testclasses.txt` and the folder `JPEGImages`.
    """

    def __init__(self, root: str | Path) -> None:
        names = ("classes.txt", "predicates.txt", _MATRIX, *_SPLITS.values())
        self._paths = {name: known_file(root, name) for name in names}
        super().__init__(root, list(self._paths.values()))

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per picture of the classes of both lists."""
        for split, file in _SPLITS.items():
            for name in self._names(file):
                if name not in self._traits:
                    raise ClipbioError(f"{self._paths[file]}: '{name}' is not in classes.txt; get the files again")
                yield from self._pictures(name, split)

    def _pictures(self, name: str, split: str) -> Iterator[tuple[str, Specimen]]:
        folder, called = self.root / "JPEGImages" / name, name.replace("+", " ")
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [path for path in files if suffix_of(path.name) in IMAGE_SUFFIXES]
        if not found:
            self.defects.add("empty_class", f"JPEGImages/{name}", "holds no pictures", skipped=False)
        for path in found:
            identity, metadata = f"{name}/{path.name}", {"traits": self._traits[name]}
            yield identity, labelled_picture(identity, path, called, split, metadata, common_names=(called,))

    @cached_property
    def _traits(self) -> dict[str, dict[str, int]]:
        """Return class -> attribute -> 0 or 1."""
        classes, attributes = self._names("classes.txt"), self._names("predicates.txt")
        rows = [line.split() for _, line in lines_of(self._paths[_MATRIX])]
        wrong = [number for number, row in enumerate(rows, start=1) if len(row) != len(attributes) or {*row} - {*"01"}]
        if len(rows) != len(classes) or wrong:
            told = f"row {wrong[0]} is not one of {len(attributes)} zeros and ones" if wrong else f"{len(rows)} rows"
            raise ClipbioError(f"{self._paths[_MATRIX]}: {told}, for {len(classes)} classes; get the files again")
        return {
            name: {attribute: int(cell) for attribute, cell in zip(attributes, row, strict=True)}
            for name, row in zip(classes, rows, strict=True)
        }

    def _names(self, file: str) -> list[str]:
        """Return the names of a list, with or without numbers before them."""
        return [line.split()[-1] for _, line in lines_of(self._paths[file])]
