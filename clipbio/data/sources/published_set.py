"""What sources of published data sets share: one record per picture, found where the files of the set name it."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.sources.records import Ids
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.files import file_hash, file_state
from clipbio.taxonomy import Taxon

__all__ = ["PublishedSet", "entries", "known_file", "labelled_picture", "lines_of"]


class PublishedSet(ABC):
    """Read a data set from the files it was published with.

    A picture that is named and not there, and an id that occurs twice, are counted as defects.

    Args:
        root: Folder of the set.
        files: The text files that are read.
        settings: What else decides about the records; a part of the fingerprint.
    """

    def __init__(self, root: str | Path, files: Sequence[Path], *settings: object) -> None:
        self.root, self.defects = Path(root), Defects()
        self._files, self._settings = files, settings

    @abstractmethod
    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield where each record stands, and the record, whose picture may not be there."""

    @cached_property
    def total(self) -> int:
        """Count the records."""
        return sum(1 for _ in self.records())

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids = Ids(self.defects)
        for where, one in self.records():
            if isinstance(one.image, Path) and not os.path.isfile(one.image):  # noqa: PTH113 - twice as fast
                self.defects.add("missing_image", where, f"the image {one.image} is not there")
            elif ids.claim(one.id, where):
                yield one

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: such sets hold no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, the text files, and path, size and time of each picture."""
        digest = hashlib.blake2b(repr((type(self).__name__, self._settings)).encode(), digest_size=16)
        for path in self._files:
            digest.update(f"{path.name}:{file_hash(path)}\n".encode())
        for _, one in self.records():
            if isinstance(one.image, Path):
                digest.update(f"{one.id}:{one.image}:{file_state(one.image)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def labelled_picture(
    identity: str,
    path: Path,
    label: str,
    split: str,
    metadata: Mapping[str, Any],
    *,
    common_names: tuple[str, ...] = (),
) -> Specimen:
    """Return a picture whose class is a label, not a taxon."""
    return Specimen(
        id=identity,
        taxon=Taxon(),
        image=path,
        common_names=common_names,
        label=label,
        split=split,
        metadata=metadata,
    )


def known_file(root: str | Path, *places: str) -> Path:
    """Return the first of some files that is there, relative to a folder.

    Raises:
        ClipbioError: None is.
    """
    for place in places:
        if (path := Path(root) / place).is_file():
            return path
    if not Path(root).is_dir():
        raise ClipbioError(f"{root} is not a folder; give the one that holds {places[0]}")
    raise ClipbioError(f"{root} holds no {' and no '.join(places)}; it must be the folder of the data set as published")


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if told := line.strip():
                    yield number, told
    except UnicodeDecodeError as error:
        raise ClipbioError(f"{path} is not UTF-8 ({error.reason}); get the file again") from error


def entries(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield number, first word and the rest of each line.

    Raises:
        ClipbioError: A line has only one word.
    """
    for number, line in lines_of(path):
        key, _, value = line.replace("\t", " ").partition(" ")
        if not value.strip():
            raise ClipbioError(f"{path}: row {number} is '{line[:50]}', and must hold an id and a value; get it again")
        yield number, key, value.strip()
