"""FishNet: two CSV files of pictures with their classification and traits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clipbio.data.sources.cells import given, text
from clipbio.data.sources.published_set import PublishedSet, known_file
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon

__all__ = ["TRAITS", "FishnetSource"]

TRAITS = (
    *("FeedingPath", "Tropical", "Temperate", "Subtropical", "Boreal", "Polar"),
    *("freshwater", "saltwater", "brackish"),
)
"""The nine traits that are asked for, as the columns are called; a feeding path of 1 is pelagic, 0 benthic."""

_RANKS = ("Class", "Order", "Family", "Genus", "species")
_FEEDING = {"pelagic": 1, "benthic": 0}
_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


class FishnetSource(PublishedSet):
    """Read FishNet; `{name: 0 or 1}` for its nine traits is the metadata `traits`, absent where one is not known.

    Source: Khan et al. 2023 (ICCV).

    Args:
        root: Folder with `train.csv` and `test.csv`, there or in `anns`, and the folder `Image_Library`.
    """

    def __init__(self, root: str | Path) -> None:
        paths = {split: known_file(root, f"{split}.csv", f"anns/{split}.csv") for split in ("train", "test")}
        super().__init__(root, list(paths.values()))
        required = ["image", "Folder", "Family", *TRAITS]
        self._tables = {split: TabularFile(path, required=required) for split, path in paths.items()}

    def records(self) -> Iterator[tuple[str, Specimen]]:
        """Yield one record per row, those of the training table first."""
        for split, table in self._tables.items():
            for number, cells in table.rows(self.defects):
                folder, name = text(cells["Folder"]), text(cells["image"]).rpartition("/")[2]
                if not folder or not name:
                    self.defects.add("missing_image", table.where(number), "image or Folder is empty")
                    continue
                traits = _traits(cells)
                yield (
                    table.where(number),
                    Specimen(
                        id=f"{split}/{folder}/{name}",
                        taxon=Taxon.from_mapping({rank.lower(): given(cells.get(rank)) for rank in _RANKS}),
                        image=self.root / "Image_Library" / folder / name,
                        split=split,
                        metadata={"traits": traits} if traits else {},
                    ),
                )


def _traits(cells: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the traits of a row, None where one is not known: the published code leaves such rows out."""
    told = {name: text(cells[name]).lower() for name in TRAITS}
    found = {name: (_FEEDING if name == "FeedingPath" else _FLAGS).get(value) for name, value in told.items()}
    known = {name: value for name, value in found.items() if value is not None}
    return known if len(known) == len(TRAITS) else None
