"""CUB-200-2011 and NABirds: lists of pictures, classes, labels and splits, each line an id and a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from clipbio.data.sources.published_set import PublishedSet, entries, known_file
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.names import clean_phrase
from clipbio.taxonomy import Taxon

__all__ = ["CubSource"]

_LISTS = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")
_OPTIONAL = ("hierarchy.txt", "photographers.txt")
_NUMBER = re.compile(r"\d+\.")
_PLUMAGE = re.compile(r"\s*\([^()]*\)$")


class CubSource(PublishedSet):
    """Read the files of CUB-200-2011, and those of NABirds, which are alike.

    The id is the path of the picture, the label is the class, plumage included; the common name is the class without
    plumage. NABirds' tree of classes (`hierarchy.txt`) goes into the metadata `parents`, from the nearest one up.

    Source: Wah et al. 2011 (CUB-200-2011); Van Horn et al. 2015 (NABirds).

    Args:
        root: Folder with `images.txt` and the folder `images`.
        split: `published` (`train_test_split.txt`), or `test`: all pictures are the test, as in zero-shot tables.
    """

    def __init__(self, root: str | Path, *, split: Literal["published", "test"] = "published") -> None:
        self._paths = {name: known_file(root, name) for name in _LISTS}
        self._paths |= {name: path for name in _OPTIONAL if (path := Path(root) / name).is_file()}
        super().__init__(root, list(self._paths.values()), split)
        self.split = split

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per line of `images.txt`."""
        names, labels = self._values("classes.txt"), self._values("image_class_labels.txt")
        is_train, parents = self._values("train_test_split.txt"), self._values("hierarchy.txt")
        makers = self._values("photographers.txt")
        for number, identity, path in entries(self._paths["images.txt"]):
            where, number_of_class = f"images.txt row {number}", labels.get(identity, "")
            if number_of_class not in names:
                self.defects.add("no_class", where, f"no class is told of the image {identity}")
                continue
            label = _spaced(names[number_of_class])
            yield (
                where,
                Specimen(
                    id=identity,
                    taxon=Taxon(),
                    image=self.root / "images" / path,
                    label=label,
                    common_names=(clean_phrase(_PLUMAGE.sub("", label)),),
                    split="train" if self.split == "published" and is_train.get(identity) == "1" else "test",
                    rights_holder=makers.get(identity, ""),
                    metadata={
                        "image_id": identity,
                        "class_idx": number_of_class,
                        **_above(number_of_class, parents, names),
                    },
                ),
            )

    def _values(self, name: str) -> dict[str, str]:
        return {key: value for _, key, value in entries(self._paths[name])} if name in self._paths else {}


def _spaced(name: str) -> str:
    """Return `001.Black_footed_Albatross` as `Black footed Albatross`."""
    return _NUMBER.sub("", name, count=1).replace("_", " ") if _NUMBER.match(name) else name


def _above(key: str, parents: Mapping[str, str], names: Mapping[str, str]) -> dict[str, list[str]]:
    found: list[str] = []
    while (key := parents.get(key, "")) in names:
        if len(found) > len(parents):
            raise ClipbioError(f"hierarchy.txt: class {key} is above itself; get the file again")
        found.append(names[key])
    return {"parents": found} if found else {}
