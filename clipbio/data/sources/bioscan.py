"""What the metadata tables of BIOSCAN-1M and BIOSCAN-5M have in common."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import existing_file, has_bases, text
from clipbio.data.sources.provisional import determination
from clipbio.data.sources.published_splits import HOUSE_SPLITS
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.files import file_hash, file_state
from clipbio.taxonomy import RANKS

__all__ = ["BioscanTable", "first_there"]

logger = logging.getLogger(__name__)


def first_there(root: Path, names: Sequence[str], what: str) -> Path:
    """Return the first of several places below a folder that exists."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise ClipbioError(f"{root} holds no {what}; looked for {', '.join(names)}")


class BioscanTable(ABC):
    """Read a metadata table and the images that it names.

    Args:
        table: The table, its needed columns checked.
        images: Folder of the image package; None reads the barcodes alone.
        splits: Published splits to read; records of the others are counted in `not_read`.
        scheme: Which of several published schemes the splits belong to.
    """

    fields: ClassVar[Mapping[str, str]]
    """Field of a specimen -> column; the ranks have columns of their own name."""

    licence: ClassVar[str] = ""
    """Licence of the data set, for tables without a column of it."""

    unkept: ClassVar[frozenset[str]] = frozenset()
    """Columns that are neither fields nor metadata."""

    def __init__(self, table: TabularFile, images: Path | None, splits: frozenset[str], scheme: str = "") -> None:
        self.defects = Defects()
        self.not_read: Counter[str] = Counter()
        self.images, self.splits, self.scheme = images, splits, scheme
        self._table = table
        used = {*self.fields.values(), *RANKS, *self.unkept, ""}
        self._metadata = tuple(name for name in table.columns if name not in used)

    @abstractmethod
    def published_split(self, cells: Mapping[str, Any]) -> str:
        """Return the published split of a row, `""` when it has none."""

    @abstractmethod
    def image_names(self, cells: Mapping[str, Any]) -> Sequence[str]:
        """Return where the image of a row may be, relative to the folder of images."""

    @cached_property
    def total(self) -> int:
        """Count the rows of the splits that are read, and those that cannot be told."""
        return self._survey[0]

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        self.not_read.clear()
        first_rows: dict[str, int] = {}
        for number, cells in self._table.rows(self.defects):
            published = self.published_split(cells)
            if not self._is_read(published):
                self.not_read[published or "none"] += 1
                continue
            specimen = self._specimen(number, cells, published, first_rows)
            if specimen is not None:
                first_rows[specimen.id] = number
                yield specimen
        self._report(found=bool(first_rows or self.defects))

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: BIOSCAN has no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the table, the choice of splits, and size and time of each image."""
        settings = (self.scheme, sorted(self.splits), self.images is None)
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for path in self._text_files():
            digest.update(f"{path.name}:{file_hash(path)}\n".encode())
        digest.update(self._survey[1])
        return digest.hexdigest()

    @cached_property
    def _survey(self) -> tuple[int, bytes]:
        """Count the rows and hash size and time of their images: one walk for both, since there are millions."""
        unreadable, rows = Defects(), 0
        digest = hashlib.blake2b(digest_size=16)
        for _, cells in self._table.rows(unreadable):
            if self._is_read(self.published_split(cells)):
                rows += 1
                if self.images is not None:
                    image = self._image(cells)
                    digest.update(f"{image and file_state(image)}\n".encode())
        return rows + unreadable.skipped, digest.digest()

    def _text_files(self) -> Sequence[Path]:
        return (self._table.path,)

    def _is_read(self, published: str) -> bool:
        return published in self.splits or (published != "" and published not in HOUSE_SPLITS)

    def _report(self, *, found: bool) -> None:
        told = ", ".join(f"{count} {name}" for name, count in self.not_read.most_common())
        if not found:
            wanted = ", ".join(sorted(self.splits))
            raise ClipbioError(f"{self._table.path} has no row of the split {wanted}; not read: {told or 'none'}")
        if told:
            logger.info("%s: rows of splits that are not read: %s", self._table.path.name, told)

    def _specimen(
        self, number: int, cells: Mapping[str, Any], published: str, first_rows: Mapping[str, int]
    ) -> Specimen | None:
        values = {field: text(cells.get(column)) for field, column in self.fields.items()}
        image = self._image(cells) if self.images is not None else None
        unusable = _unusable(values, published, first_rows)
        if not unusable and self.images is not None and image is None:
            unusable = "missing_image", f"the image {self.image_names(cells)[0]} is not there"
        elif not unusable and image is None and not has_bases(values["dna"]):
            unusable = "no_image_no_dna", "images are not read and the barcode is empty"
        if unusable:
            self.defects.add(unusable[0], self._table.where(number), unusable[1])
            return None
        # The tables begin at phylum: all of BIOSCAN are arthropods.
        taxon, label = determination(dict(cells) | {"kingdom": "Animalia"})
        metadata = {name: cells[name] for name in self._metadata if text(cells[name])}
        return Specimen(
            id=values["id"],
            taxon=taxon,
            dna=values["dna"],
            bin=values["bin"],
            label=label,
            image=image,
            split=HOUSE_SPLITS[published],
            licence=values.get("licence") or self.licence,
            rights_holder=values.get("rights_holder", ""),
            metadata=metadata | {"published_split": published},
        )

    def _image(self, cells: Mapping[str, Any]) -> Path | None:
        for name in self.image_names(cells):
            path = PurePosixPath(name)
            outside = path.is_absolute() or ".." in path.parts
            if self.images and not outside and (found := existing_file(self.images, name)):
                return found
        return None


def _unusable(values: Mapping[str, str], published: str, first_rows: Mapping[str, int]) -> tuple[str, str] | None:
    identity = values["id"]
    if not identity:
        return "missing_id", "the id is empty"
    if published not in HOUSE_SPLITS:
        return "unknown_split", f"'{published}' is no published split"
    if identity in first_rows:
        return "duplicate_id", f"'{identity}' is already the id of row {first_rows[identity]}"
    return None
