"""Crops of organs: further views of a specimen, with its name, split and individual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from clipbio.data.images import decode, eight_bits, encode
from clipbio.data.masks import LABELS_KEY
from clipbio.data.specimen import PART, VIEW_OF, Specimen
from clipbio.errors import ClipbioError
from clipbio.organs.instances import Box, Instance
from clipbio.taxonomy import RANKS

__all__ = ["Crop", "CropOptions", "crops_of", "table_row"]

_QUALITY = 92


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """Which organs are cut out, and how.

    Args:
        parts: Organs; None is all labels.
        margin: Room around the box of an organ, as a share of its longer side.
        least_side: Organs whose box is smaller than so many pixels, the longer side, are left out.
        most: Crops of one organ per sheet, the largest ones.
    """

    parts: Sequence[str] | None = None
    margin: float = 0.1
    least_side: int = 16
    most: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 2:
            raise ClipbioError(f"crop.margin={self.margin} must lie between 0 and 2")
        if self.least_side < 1 or self.most < 1:
            raise ClipbioError(f"crop.least_side={self.least_side} and crop.most={self.most} must be at least 1")


@dataclass(frozen=True)
class Crop:
    """The row of a crop in a specimen table, without its picture's path, and the picture as JPEG."""

    row: dict[str, Any]
    image: bytes


def crops_of(specimen: Specimen, instances: Sequence[Instance], options: CropOptions) -> Iterator[Crop]:
    """Yield the crops of a specimen whose picture is in memory.

    Args:
        specimen: The sheet.
        instances: Its organs, those of a label from the largest to the smallest.
        options: Which and how.

    Raises:
        BadImageError: The picture cannot be decoded.
    """
    assert isinstance(specimen.image, bytes)
    picture: Image.Image | None = None
    count: Counter[str] = Counter()
    for one in instances:
        wanted = options.parts is None or one.label in options.parts
        if not wanted or max(one.box.width, one.box.height) < options.least_side or count[one.label] >= options.most:
            continue
        count[one.label] += 1
        picture = picture or _decoded(specimen.image)
        box = _with_margin(one.box, options.margin, picture.size)
        cut = picture.crop((box.x, box.y, box.x + box.width, box.y + box.height))
        yield Crop(_row(specimen, one, count[one.label], box), encode(cut, "JPEG", quality=_QUALITY))


def _decoded(image: bytes) -> Image.Image:
    with decode(image) as picture:
        return eight_bits(picture).convert("RGB")


def table_row(specimen: Specimen) -> dict[str, Any]:
    """Return what a specimen table says of a specimen, without its texts, picture and mask."""
    row: dict[str, Any] = {"specimen_id": specimen.id}
    row |= dict(zip(RANKS, specimen.taxon.ranks, strict=True))
    names = ("dna", "bin", "label", "split", "group_id", "licence", "rights_holder")
    row |= {name: getattr(specimen, name) for name in names}
    return row | {name: one for name, one in specimen.metadata.items() if name != LABELS_KEY and name not in row}


def _row(specimen: Specimen, instance: Instance, number: int, box: Box) -> dict[str, Any]:
    # A barcode is that of the plant, and stands with the sheet: a view does not repeat it.
    row = table_row(specimen) | {"dna": "", "bin": "", "group_id": specimen.group}
    row["specimen_id"] = f"{specimen.id}#{instance.label}-{number}"
    return row | {VIEW_OF: specimen.id, PART: instance.label, "box": ",".join(map(str, box))}


def _with_margin(box: Box, margin: float, size: tuple[int, int]) -> Box:
    room = round(margin * max(box.width, box.height))
    left, top = max(0, box.x - room), max(0, box.y - room)
    right, bottom = min(size[0], box.x + box.width + room), min(size[1], box.y + box.height + room)
    return Box(left, top, right - left, bottom - top)
