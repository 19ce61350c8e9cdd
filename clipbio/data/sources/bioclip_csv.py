"""The metadata CSVs of the BioCLIP repositories and of their camera-trap sets, read as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from clipbio.data.manifest import SPLITS
from clipbio.data.sources.cells import given, text, texts
from clipbio.data.sources.pictures import IMAGE_SUFFIXES, suffix_of
from clipbio.data.sources.published_set import PublishedSet, known_file
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["BioclipCsvSource"]

_USED = frozenset({"filepath", "cls", "common_name", "licence", "license", *RANKS})
# The first of these that is there names a specimen whose species is not known.
_LABELS = ("class", "common_name", "original_label")


class BioclipCsvSource(PublishedSet):
    """Read a metadata CSV of BioCLIP: one row per picture, the first column an index without meaning.

    `filepath` is relative to the folder of the pictures; where a picture is not at its path, the only one of its name
    is taken. Beside it stand `class` (the class string), or ranks with `cls` for the class, or both; `common_name`,
    `class_idx` and all other columns are optional. In a table without `cls` that has ranks, `class` is the rank.

    Args:
        root: Folder of the set.
        csv: The table, relative to `root`.
        images: Folder of the pictures, relative to `root`; None is the root itself.
        classes: What the classes are: `taxon`, or `label`, the class strings as they are; ranks are then metadata.
        split: The split that all specimens stand in.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        csv: str = "metadata.csv",
        images: str | None = None,
        classes: Literal["taxon", "label"] = "taxon",
        split: str = "test",
    ) -> None:
        if split not in SPLITS:
            raise ClipbioError(f"split: '{split}' is unknown{nearest(split, SPLITS)}")
        path = known_file(root, csv)
        super().__init__(root, [path], images, classes, split)
        self.classes, self.split = classes, split
        self.images = self.root / images if images else self.root
        if not self.images.is_dir():
            raise ClipbioError(f"images={images}: {self.images} is not a folder; give that of the pictures")
        self._table = TabularFile(path, required=["filepath"])
        # The index column of pandas, whatever it is called.
        index = self._table.columns[0]
        self._columns = [name for name in self._table.columns if name and (name != index or name == "filepath")]
        has_ranks = {"phylum", "order", "family"} <= set(self._columns)
        self._rank_of_class = "cls" if "cls" in self._columns else "class" if has_ranks else ""
        self._label = next((n for n in _LABELS if n in self._columns and n != self._rank_of_class), "")
        if classes == "label" and not self._label:
            raise ClipbioError(f"{path} has no column 'class'; the columns are: {', '.join(self._columns)}")
        if not self._label and not set(RANKS) & set(self._columns):
            raise ClipbioError(f"{path} names no class: neither 'class' nor ranks are among {', '.join(self._columns)}")

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per row."""
        for number, cells in self._table.rows(self.defects):
            where, name = self._table.where(number), text(cells["filepath"])
            if not name:
                self.defects.add("missing_image", where, "filepath is empty")
                continue
            yield where, self._specimen(name, {column: cells[column] for column in self._columns})

    def _specimen(self, name: str, cells: Mapping[str, Any]) -> Specimen:
        # NaN of a spreadsheet is an empty cell; "None" and "NA" are words of somebody's classes.
        label = text(cells.get(self._label)) if self._label else ""
        taxon, common, kept = Taxon(), texts(cells.get("common_name")), _USED | {"class"}
        if self.classes == "taxon":
            ranks = {rank: given(cells.get(rank)) for rank in RANKS}
            taxon = Taxon.from_mapping(ranks | {"class": given(cells.get(self._rank_of_class))})
        else:
            kept = frozenset({"filepath", "class", "common_name"})
        return Specimen(
            id=name,
            taxon=taxon,
            image=self._file(name),
            common_names=common,
            label=label,
            split=self.split,
            group_id=text(cells.get("sequence_id")),
            licence=given(cells.get("licence")) or given(cells.get("license")),
            metadata={column: told for column, cell in cells.items() if column not in kept and (told := text(cell))},
        )

    def _file(self, name: str) -> Path:
        path = self.images / name
        if not path.is_file() and (elsewhere := self._by_name.get(Path(name).name)):
            return elsewhere
        return path

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        """Find pictures by their name alone; one that occurs twice is nobody's."""
        found: dict[str, Path] = {}
        twice: set[str] = set()
        for path in sorted(self.images.rglob("*")):
            if suffix_of(path.name) in IMAGE_SUFFIXES and found.setdefault(path.name, path) != path:
                twice.add(path.name)
        return {name: path for name, path in found.items() if name not in twice}
