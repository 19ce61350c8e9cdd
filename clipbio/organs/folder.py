"""What is written of organs: pictures, masks, a COCO file, and crops; each a specimen table that can be read again.

annotations.json   instances in COCO's form
images/            the pictures
masks/             palette PNGs
specimens.csv      the specimens with their masks
crops/             a specimen table of its own: one row per crop
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbio.data.images import EXTENSIONS, MAX_PIXELS, inspect, reencode
from clipbio.data.masks import LABELS_KEY, Mask, encode_numbers, numbers_of
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.organs.coco import CocoWriter
from clipbio.organs.crops import CropOptions, crops_of, table_row
from clipbio.organs.instances import instances_of
from clipbio.taxonomy import Taxon

__all__ = ["OrganFolder"]

_MOST_LABELS = 254
_TEXTS = {"descriptions": "description", "common_names": "common_name"}
_TEXT_COLUMNS = ("scientific_name", "kingdom", "language", "type", "source", "licence")


class OrganFolder:
    """Write specimens one after the other; `finish` writes the tables.

    Args:
        folder: An empty folder.
        labels: Labels in the order of their numbers.
        texts: Texts of species, which go into side tables.
        form: Form of the instances, `rle` or `polygon`.
        least_share: Smaller pieces, as a share of the picture, are no instances.
        crops: Which crops are written; None is none.
    """

    def __init__(
        self,
        folder: Path,
        labels: Sequence[str],
        texts: SpeciesTexts,
        *,
        form: str = "rle",
        least_share: float = 0.0,
        crops: CropOptions | None = None,
    ) -> None:
        self.folder, self.labels, self.texts, self.least_share, self.crops = folder, labels, texts, least_share, crops
        self._coco = CocoWriter(labels, form)
        self._rows: list[dict[str, Any]] = []
        self._crops: list[dict[str, Any]] = []
        self._taxa: dict[Taxon, None] = {}
        self._names: set[str] = set()
        self._crop_names: set[str] = set()
        if len(labels) > _MOST_LABELS:
            raise ClipbioError(f"{len(labels)} labels: a mask tells at most {_MOST_LABELS} apart; leave some out")
        for name in ("images", "masks", *(["crops/images"] if crops else [])):
            (folder / name).mkdir(parents=True)

    @property
    def num_crops(self) -> int:
        """Count the crops that were written."""
        return len(self._crops)

    def add(self, specimen: Specimen, masks: Mapping[str, Mask]) -> None:
        """Write a specimen whose picture is in memory, with masks (H, W) by label; none for one without mask.

        Raises:
            BadImageError: The picture cannot be read; nothing is written of the specimen.
            ClipbioError: A mask does not fit the picture.
        """
        assert isinstance(specimen.image, bytes)
        image, suffix, size = _stored(specimen.image)
        if wrong := next((one.shape for one in masks.values() if one.shape != size[::-1]), None):
            pixels = f"{wrong[1]} x {wrong[0]} pixels, its picture {size[0]} x {size[1]}"
            turned = ": does EXIF turn it? store it upright" if wrong == size else ""
            raise ClipbioError(f"the mask of specimen '{specimen.id}' has {pixels}{turned}")
        instances = instances_of(masks, least_share=self.least_share)
        crops = list(crops_of(specimen, instances, self.crops)) if self.crops else []
        name = _file_name(specimen.id, self._names)
        (self.folder / "images" / f"{name}.{suffix}").write_bytes(image)
        row = table_row(specimen) | self._own_texts(specimen) | {"image": f"images/{name}.{suffix}"}
        self._coco.add(f"{name}.{suffix}", size, instances)
        if masks:
            numbers_HW = numbers_of(masks, self.labels)
            (self.folder / "masks" / f"{name}.png").write_bytes(encode_numbers(numbers_HW))
            named = {str(number): label for number, label in enumerate(self.labels, 1)}
            row |= {"mask": f"masks/{name}.png", LABELS_KEY: json.dumps(named)}
        self._rows.append(row)
        self._taxa[specimen.taxon] = None
        for crop in crops:
            file = f"{_file_name(crop.row['specimen_id'], self._crop_names)}.jpg"
            (self.folder / "crops" / "images" / file).write_bytes(crop.image)
            self._crops.append(crop.row | self._own_texts(specimen) | {"image": f"images/{file}"})

    def finish(self) -> None:
        """Write the COCO file and the tables."""
        self._coco.write(self.folder)
        for folder, rows in ((self.folder, self._rows), (self.folder / "crops", self._crops)):
            if rows:
                _write_table(folder / "specimens.csv", rows)
                self._write_texts(folder)

    def _own_texts(self, specimen: Specimen) -> dict[str, str]:
        """Return the texts of the specimen itself; those of its species stand in the side tables."""
        names, descriptions = self.texts.names_and_descriptions(specimen.taxon)
        own = (
            ("common_name", [one for one in specimen.common_names if one not in names][:1]),
            ("description", [one for one in specimen.descriptions if one not in descriptions]),
        )
        return {column: " ".join(values) for column, values in own}

    def _write_texts(self, folder: Path) -> None:
        for stem, kind in _TEXTS.items():
            texts = {text: None for taxon in self._taxa for text in self.texts.of(taxon) if text.kind == kind}
            rows = [{kind: one.text} | {name: getattr(one, name) for name in _TEXT_COLUMNS} for one in texts]
            if rows:
                _write_table(folder / f"{stem}.csv", rows)


def _file_name(identity: str, taken: set[str]) -> str:
    """Return a name of files that is like an id and that no other one has taken; note it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", identity).strip("._-")[:100] or "specimen"
    name, number = plain, 2
    while name.lower() in taken:
        name, number = f"{plain}-{number}", number + 1
    taken.add(name.lower())
    return name


def _stored(image: bytes) -> tuple[bytes, str, tuple[int, int]]:
    """Return a picture as it is, or as JPEG where its format is none that shards hold; its ending and size."""
    header = inspect(image)
    if header.format not in EXTENSIONS:
        image = reencode(image, "JPEG", quality=95, max_side=None, max_pixels=MAX_PIXELS)
    return image, EXTENSIONS.get(header.format, "jpg"), (header.width, header.height)


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; columns that are empty in all rows are left out."""
    columns = dict.fromkeys(name for row in rows for name, value in row.items() if value not in ("", None))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
