"""BIOSCAN-5M: a CSV of 23 columns beside a package of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from clipbio.data.sources.bioscan import BioscanTable, first_there
from clipbio.data.sources.cells import text
from clipbio.data.sources.published_splits import BIOSCAN5M, chosen
from clipbio.data.sources.tabular import TabularFile

__all__ = ["Bioscan5mSource"]

_TABLE = "BIOSCAN_5M_Insect_Dataset_metadata.csv"
_PLACES = (f"bioscan5m/metadata/csv/{_TABLE}", f"metadata/csv/{_TABLE}", _TABLE)


class Bioscan5mSource(BioscanTable):
    """Read BIOSCAN-5M as it is published; the id is the process id.

    Source: Gharaee et al. 2024, arXiv:2406.12723.

    Args:
        root: Folder of the data set, or the one that holds its folder `bioscan5m`.
        image_package: `cropped_256`, `original_256`, `cropped`, `original_full`; None reads the barcodes alone.
        images: Folder of the package, where it does not lie in `images/` below the data set; relative to `root`.
        metadata: The table, where it has another name or place; relative to `root`.
        splits: Published splits to read; None means all but `other_heldout`.
    """

    fields: ClassVar[Mapping[str, str]] = {"id": "processid", "dna": "dna_barcode", "bin": "dna_bin"}
    unkept = frozenset({"split", "chunk"})
    # What its data card says.
    licence = "CC-BY-3.0"

    def __init__(
        self,
        root: str | Path,
        *,
        image_package: str | None = "cropped_256",
        images: str | Path | None = None,
        metadata: str | None = None,
        splits: Sequence[str] | None = None,
    ) -> None:
        root = Path(root)
        path = first_there(root, [metadata] if metadata else _PLACES, "metadata of BIOSCAN-5M")
        needed = [*self.fields.values(), "phylum", "class", "order", "family", "genus", "species", "split", "chunk"]
        package = None
        if images is not None:
            package = first_there(root, [str(images)], "images of BIOSCAN-5M")
        elif image_package is not None:
            places = [f"{base}{image_package}" for base in ("bioscan5m/images/", "images/", "")]
            package = first_there(root, places, f"images '{image_package}' of BIOSCAN-5M")
        default = [name for name in BIOSCAN5M if name != "other_heldout"]
        super().__init__(TabularFile(path, required=needed), package, chosen(splits, BIOSCAN5M, default))

    def published_split(self, cells: Mapping[str, Any]) -> str:
        """Return the cell of the column `split`."""
        return str(cells["split"]).strip()

    def image_names(self, cells: Mapping[str, Any]) -> Sequence[str]:
        """Return the one place: split, chunk where there is one, and process id."""
        parts = (self.published_split(cells), text(cells["chunk"]), f"{text(cells['processid'])}.jpg")
        return ("/".join(part for part in parts if part),)
