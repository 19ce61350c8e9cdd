"""The specimen table: a folder with `specimens.csv`, images beside it, and texts of species in side tables."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.manifest import SPLITS
from clipbio.data.masks import LABELS_KEY
from clipbio.data.sources.cells import existing_file, given, has_bases, is_not_given, is_sequence, text, texts
from clipbio.data.sources.tabular import SUFFIXES, TabularFile, find_table
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_hash, file_state
from clipbio.names import clean_phrase, clean_rank
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["COLUMNS", "TableSource", "find_specimens"]

logger = logging.getLogger(__name__)

COLUMNS = (
    *("specimen_id", "image", *RANKS, "common_name", "description", "dna", "bin"),
    *("mask", "split", "group_id", "label", "licence", "rights_holder"),
)
"""Columns with a meaning; every other one is kept as metadata."""

_EMPTY = dict.fromkeys(COLUMNS, "")
_SIDE_TABLES = {"descriptions": "description", "common_names": "common_name"}
_TEXT_COLUMNS = ("scientific_name", "kingdom", "language", "type", "source", "licence")


def find_specimens(root: Path) -> Path | None:
    """Return the specimen table of a folder."""
    return find_table(root, "specimens")


class TableSource:
    """Read the specimen table of a folder.

    Args:
        root: Folder with `specimens.csv` (also .csv.gz, .tsv, .tsv.gz, .parquet), and optionally `descriptions.csv` and
            `common_names.csv` in one of the same forms.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.defects = Defects()
        self._table = TabularFile(self._find(), required=["specimen_id"])
        self._check_columns()
        self._known = [name for name in self.columns if name in _EMPTY]
        self._others = [name for name in self.columns if name not in _EMPTY]
        self._side_tables = [
            (TabularFile(path, required=["scientific_name", kind]), kind)
            for stem, kind in _SIDE_TABLES.items()
            if (path := find_table(self.root, stem))
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns of the specimen table."""
        return tuple(name for name in self._table.columns if name)

    @cached_property
    def total(self) -> int:
        """Count the rows of the specimen table."""
        count = Defects()
        return sum(1 for _ in self._table.rows(count)) + count.skipped

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        first_rows: dict[str, int] = {}
        number = 0
        for number, cells in self._table.rows(self.defects):
            specimen = self._specimen(number, cells, first_rows)
            if specimen is not None:
                first_rows[specimen.id] = number
                yield specimen
        if not number and not self.defects:
            raise ClipbioError(f"{self._table.path} has a header but no rows; add one row per image or barcode")

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield the texts of the side tables."""
        for table, kind in self._side_tables:
            for number, cells in table.rows(self.defects):
                values = {name: text(cells.get(name)) for name in _TEXT_COLUMNS}
                taxon = Taxon.from_mapping({"kingdom": values["kingdom"], "species": values["scientific_name"]})
                name = taxon.scientific_name or clean_rank(values["scientific_name"])
                phrase = clean_phrase(text(cells.get(kind)))
                if not phrase or not name:
                    message = "the text is empty" if name else f"'{values['scientific_name']}' is no scientific name"
                    self.defects.add("unusable_text", table.where(number), message, skipped=False)
                    continue
                joined = {"kingdom": taxon.kingdom, "scientific_name": name, "kind": kind, "text": phrase}
                yield SpeciesText(**values | joined)

    def fingerprint(self) -> str:
        """Hash the content of the tables, and size and time of each image and mask."""
        digest = hashlib.blake2b(digest_size=16)
        for table in (self._table, *(table for table, _ in self._side_tables)):
            digest.update(f"{table.path.name}:{file_hash(table.path)}\n".encode())
        root, count, number = str(self.root), Defects(), 0
        for _, cells in self._table.rows(count):
            number += 1
            for column in ("image", "mask"):
                if value := given(cells.get(column)):
                    state = file_state(os.path.join(root, value))  # noqa: PTH118
                    digest.update(f"{value}:{state}\n".encode())
        # Whoever asks for the number of rows next need not read the table again.
        self.total = number + count.skipped
        return digest.hexdigest()

    def _find(self) -> Path:
        if not self.root.is_dir():
            raise ClipbioError(f"{self.root} is not a folder; give the folder that holds specimens.csv")
        found = find_specimens(self.root)
        if found is None:
            looked_for = ", ".join(f"specimens{suffix}" for suffix in SUFFIXES)
            raise ClipbioError(f"{self.root} holds no specimen table; looked for {looked_for}")
        return found

    def _check_columns(self) -> None:
        present = set(self._table.columns)
        if self._table.holds_bytes("image"):
            raise ClipbioError(
                f"{self._table.path}: the column 'image' holds pictures, no paths; use source=huggingface"
            )
        if not present & {"image", "dna"}:
            names = ", ".join(self.columns)
            raise ClipbioError(f"{self._table.path} has neither a column 'image' nor 'dna'; the columns are: {names}")
        for name in sorted(present - set(COLUMNS) - {"", LABELS_KEY}):
            hint = nearest(name.strip().lower(), set(COLUMNS) - present)
            if hint.startswith("; did you mean"):
                logger.warning("%s: the column '%s' is kept as metadata%s", self._table.path.name, name, hint)

    def _specimen(self, number: int, cells: Mapping[str, Any], first_rows: Mapping[str, int]) -> Specimen | None:
        where = self._table.where(number)
        values = _EMPTY | {name: given(cells[name]) for name in self._known}
        values["specimen_id"] = text(cells["specimen_id"])
        # Not cleaned of all placeholders: a split called "unknown" is a mistake, not an empty cell.
        told = str(cells.get("split") or "").strip()
        split = told if told and not is_not_given(told) else "train"
        if split not in SPLITS:
            raise ClipbioError(
                f"{self._table.path}: row {number} has the unknown split '{split}'{nearest(split, SPLITS)}"
            )
        if values["dna"] and not is_sequence(values["dna"]):
            message = f"'{values['dna'][:20]}' is no sequence of nucleotides"
            self.defects.add("bad_barcode", where, message, skipped=not values["image"])
            if not values["image"]:
                return None
            values["dna"] = ""
        image = existing_file(self.root, values["image"]) if values["image"] else None
        if unusable := _unusable(values, image, first_rows):
            self.defects.add(unusable[0], where, unusable[1])
            return None
        mask = existing_file(self.root, values["mask"]) if values["mask"] else None
        if values["mask"] and mask is None:
            self.defects.add("missing_mask", where, f"the mask {values['mask']} is not there", skipped=False)
        return Specimen(
            id=values["specimen_id"],
            taxon=Taxon.from_mapping(values),
            image=image,
            mask=mask,
            common_names=texts(cells.get("common_name")),
            descriptions=texts(cells.get("description")),
            split=split,
            metadata={name: cells[name] for name in self._others if text(cells[name])},
            **{name: values[name] for name in ("dna", "bin", "label", "group_id", "licence", "rights_holder")},
        )


def _unusable(values: Mapping[str, str], image: Path | None, first_rows: Mapping[str, int]) -> tuple[str, str] | None:
    """Return kind and description of what makes a row unusable."""
    identity = values["specimen_id"]
    if not identity:
        return "missing_id", "specimen_id is empty"
    if identity in first_rows:
        return "duplicate_id", f"'{identity}' is already the id of row {first_rows[identity]}"
    if not values["image"] and not has_bases(values["dna"]):
        return "no_image_no_dna", "neither image nor dna is given"
    if values["image"] and image is None:
        return "missing_image", f"the image {values['image']} is not there"
    return None
