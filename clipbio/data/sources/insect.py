"""INSECT: images and barcodes of 1,213 species with the splits of zero-shot learning, as two MATLAB files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import given, has_bases
from clipbio.data.sources.pictures import IMAGE_SUFFIXES, Medium, Pictures, check_folder, pictures_state
from clipbio.data.sources.provisional import determination
from clipbio.data.sources.records import Ids
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.files import file_state

if TYPE_CHECKING:
    from clipbio.data.sources.matlab import MatFile

__all__ = ["InsectSource"]

_FEATURES, _SPLITS = "res101.mat", "att_splits.mat"
# Published list of rows -> split of the house. The species of val_loc are not those of train_loc.
_LISTS = {"train_loc": "train", "val_loc": "val_unseen", "test_seen_loc": "test", "test_unseen_loc": "unseen"}
_INSECTS = {"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta"}


class InsectSource:
    """Read INSECT: `res101.mat` (ids, species, barcodes) and `att_splits.mat` (rows of each split, counted from 1).

    The id is the name of the image, the group the BOLD id. Ranks between class and genus are not in the files. Rows
    that no list names are left out. Source: Badirli et al. 2021, arXiv:2109.14133.

    Args:
        root: The folder with both files, or the one that holds it as `INSECT`.
        images: Folder with the images, in folders of species or not; None reads the barcodes alone.
        aligned: Take the aligned barcodes, with gaps.
        trainval: Train on the validation species too, as for the published figures; there is no `val_unseen` then.
    """

    def __init__(
        self, root: str | Path, *, images: str | Path | None = None, aligned: bool = False, trainval: bool = False
    ) -> None:
        # scipy's reader takes half a second to import, which every other source would pay.
        from clipbio.data.sources.matlab import MatFile

        self.defects = Defects()
        root = Path(root).expanduser()
        self.root = root / "INSECT" if (root / "INSECT" / _FEATURES).is_file() else root
        self.images = check_folder(images)
        self.aligned, self.trainval = aligned, trainval
        table, splits = MatFile(self.root / _FEATURES), MatFile(self.root / _SPLITS)
        self._columns = _columns(table, "nucleotides_aligned" if aligned else "nucleotides")
        self._list_N = _lists(splits, len(self._columns["ids"]))
        self.total = len(self._columns["ids"])

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, pictures = Ids(self.defects), Pictures(self.images, "id", self.defects)
        for row, name in enumerate(self._list_N):
            cells = {column: values[row] for column, values in self._columns.items()}
            where = f"{_FEATURES} row {row + 1}"
            if not name:
                self.defects.add("no_split", where, f"no list of {_SPLITS} has it")
            elif ids.claim(cells["ids"], where):
                yield from self._specimen(cells, name, pictures, where)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the files have no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash size and time of the files and of the pictures, and the settings."""
        states = [file_state(self.root / name) for name in (_FEATURES, _SPLITS)]
        told = f"{states}:{pictures_state(self.images)}:{self.aligned}:{self.trainval}"
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()

    def _specimen(self, cells: Mapping[str, str], name: str, pictures: Pictures, where: str) -> Iterator[Specimen]:
        identity = PurePosixPath(cells["ids"])
        stem = identity.stem if identity.suffix.lower() in IMAGE_SUFFIXES else identity.name
        image = pictures.find(stem, [Medium()])[0]
        dna = cells["dna"]
        if image is None and not has_bases(dna):
            self.defects.add("no_image_no_dna", where, "it has no barcode, and no file is named after its id")
            return
        if image is None and self.images is not None:
            self.defects.add("missing_image", where, f"no file of {self.images} is named '{stem}'", skipped=False)
        taxon, label = determination({**_INSECTS, "species": cells["species"]})
        split = "train" if self.trainval and name == "val_loc" else _LISTS[name]
        yield Specimen(
            id=cells["ids"],
            taxon=taxon,
            label=label,
            image=image,
            dna=dna,
            group_id=cells.get("bold_ids", ""),
            split=split,
            metadata={"published_split": name.removesuffix("_loc"), "class_number": cells["labels"]},
        )


def _columns(table: MatFile, dna: str) -> dict[str, list[str]]:
    """Return the columns as texts, all of one length."""
    columns = {
        "ids": table.texts("ids"),
        "species": table.texts("species"),
        "dna": [given(one) for one in table.texts(dna)],
        "labels": [str(number) for number in table.whole_numbers("labels").tolist()],
    }
    if "bold_ids" in table.names:
        columns["bold_ids"] = [given(one) for one in table.texts("bold_ids")]
    # Some copies name the species once for each class.
    if len(columns["species"]) != len(columns["ids"]):
        columns["species"] = _by_label(table, columns["species"], columns["labels"])
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ClipbioError(f"{table.path}: the numbers of rows differ: {told}")
    return columns


def _by_label(table: MatFile, names: Sequence[str], labels: Sequence[str]) -> list[str]:
    places = [int(label) - 1 for label in labels]
    if any(not 0 <= place < len(names) for place in places):
        raise ClipbioError(f"{table.path}: labels count from 1 to {max(places) + 1}, there are {len(names)} species")
    return [names[place] for place in places]


def _lists(splits: MatFile, rows: int) -> list[str]:
    """Return for each row the published list that names it, empty where none does."""
    names = np.full(rows, "", dtype=object)
    for name in _LISTS:
        numbers = splits.whole_numbers(name)
        if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= rows):
            raise ClipbioError(
                f"{splits.path}: {name} counts from 1 to {rows}, it holds {numbers.min()} to {numbers.max()}"
            )
        if len(taken := numbers[names[numbers - 1] != ""]):
            raise ClipbioError(f"{splits.path}: row {taken[0]} stands in {names[taken[0] - 1]} and in {name}")
        names[numbers - 1] = name
    return names.tolist()
