"""BIOSCAN-1M: a TSV, a package of images in parts, six splits as columns and one as text files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from clipbio.data.sources.bioscan import BioscanTable, first_there
from clipbio.data.sources.cells import text
from clipbio.data.sources.published_splits import BIOSCAN1M, CLIBD, chosen
from clipbio.data.sources.tabular import TabularFile
from clipbio.errors import ClipbioError, nearest

__all__ = ["SPLIT_COLUMNS", "Bioscan1mSource"]

SPLIT_COLUMNS = tuple(
    f"{size}_{group}" for group in ("diptera_family", "insect_order") for size in ("large", "medium", "small")
)
"""The splits of the BIOSCAN-1M paper."""

_TABLE = "BIOSCAN_Insect_Dataset_metadata.tsv"
_BASES = ("bioscan1m/", "bioscan/", "")
_CONFLICT = "two partitions at once"


class Bioscan1mSource(BioscanTable):
    """Read BIOSCAN-1M as it is published; the id is the sample id.

    Source: Gharaee et al. 2023, arXiv:2307.10455; for the split of CLIBD, Gong et al. 2024, arXiv:2405.17537.

    Args:
        root: Folder of the data set, or the one that holds its folder `bioscan1m`.
        image_package: `cropped_256` or `original_256`; None reads the barcodes alone.
        images: Folder of the images, with or without folders `part1`, `part2` ..., where it lies elsewhere; relative
            to `root`.
        metadata: The table, where it has another name or place; relative to `root`.
        split_column: `clibd` for CLIBD's partition files, or one of `SPLIT_COLUMNS`.
        partitions: Folder of the partition files, where it is not `CLIBD_partitioning` beside the table.
        splits: Published splits to read; None means all of CLIBD's, or all but `no_split` of a column.
    """

    fields: ClassVar[Mapping[str, str]] = {
        "id": "sampleid",
        "dna": "nucraw",
        "bin": "uri",
        "licence": "copyright_license",
        "rights_holder": "copyright_holder",
    }
    unkept = frozenset({"image_file", "chunk_number", *SPLIT_COLUMNS})

    def __init__(
        self,
        root: str | Path,
        *,
        image_package: str | None = "cropped_256",
        images: str | Path | None = None,
        metadata: str | None = None,
        split_column: str = "clibd",
        partitions: str | Path | None = None,
        splits: Sequence[str] | None = None,
    ) -> None:
        root = Path(root)
        known = ("clibd", *SPLIT_COLUMNS)
        if split_column not in known:
            raise ClipbioError(f"unknown split_column '{split_column}'{nearest(split_column, known)}")
        places = [metadata] if metadata else [base + _TABLE for base in _BASES]
        path = first_there(root, places, "metadata of BIOSCAN-1M")
        package = _package(root, image_package, images)
        self._partition_files, self._partition_of = [], {}
        needed = ["sampleid", "uri", "nucraw", "phylum", "class", "order", "family", "genus", "species"]
        needed += ["image_file"] if package else []
        if split_column == "clibd":
            names = chosen(splits, CLIBD, CLIBD)
            folder = root / partitions if partitions else path.parent / "CLIBD_partitioning"
            self._partition_files = _partition_files(folder)
            self._partition_of = _partition_of(self._partition_files)
        else:
            needed.append(split_column)
            names = chosen(splits, BIOSCAN1M, ("train", "validation", "test"))
        super().__init__(TabularFile(path, required=needed), package, names, split_column)

    def published_split(self, cells: Mapping[str, Any]) -> str:
        """Return the partition of the sample id, or the cell of the split column."""
        if self.scheme == "clibd":
            return self._partition_of.get(text(cells["sampleid"]), "")
        return str(cells[self.scheme]).strip()

    def image_names(self, cells: Mapping[str, Any]) -> Sequence[str]:
        """Return the place inside a package, and in a plain folder."""
        name = text(cells["image_file"])
        return (f"part{text(cells.get('chunk_number'))}/{name}", name)

    def _text_files(self) -> Sequence[Path]:
        return (self._table.path, *self._partition_files)


def _package(root: Path, image_package: str | None, images: str | Path | None) -> Path | None:
    if images is not None:
        return first_there(root, [str(images)], "images of BIOSCAN-1M")
    if image_package is None:
        return None
    places = [f"{base}images/{image_package}" for base in _BASES] + [image_package]
    return first_there(root, places, f"images '{image_package}' of BIOSCAN-1M")


def _partition_files(folder: Path) -> list[Path]:
    files = [folder / f"{name}.txt" for name in CLIBD]
    for path in files:
        if not path.is_file():
            raise ClipbioError(
                f"the partition file {path} is not there; get CLIBD_partitioning of the data set bioscan-ml/clibd, "
                f"or choose split_column={SPLIT_COLUMNS[0]}"
            )
    return files


def _partition_of(files: Sequence[Path]) -> dict[str, str]:
    """Return sample id -> partition; an id of two partitions could leak from one to the other, and is of none."""
    partition_of: dict[str, str] = {}
    for path in files:
        try:
            with path.open(encoding="utf-8-sig") as lines:
                for identity in filter(None, map(str.strip, lines)):
                    known = partition_of.setdefault(identity, path.stem)
                    if known != path.stem:
                        partition_of[identity] = _CONFLICT
        except UnicodeDecodeError as error:
            raise ClipbioError(f"{path} is not UTF-8 ({error.reason}); it must hold one sample id per line") from error
    return partition_of
