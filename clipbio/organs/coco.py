"""COCO files of organs, in the layout of GinJinn: `annotations.json` beside a folder `images`.

Read are polygons, run lengths plain and compressed, and boxes alone; written are compressed run lengths, which are
exact, or polygons, which have no holes. Numbers of categories and instances begin with 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.data.images import MAX_PIXELS
from clipbio.data.masks import Mask
from clipbio.errors import ClipbioError, nearest
from clipbio.files import read_json, write_text
from clipbio.organs.instances import Instance, outlines

__all__ = ["ANNOTATIONS", "CocoPicture", "CocoWriter", "read_coco"]

ANNOTATIONS = "annotations.json"
FORMS = ("rle", "polygon")
_FAR = 2**20


class CocoWriter:
    """Gather pictures with their instances, and write them as one file.

    Args:
        labels: Categories in the order of their numbers.
        form: `rle` or `polygon`.
    """

    def __init__(self, labels: Sequence[str], form: str = "rle") -> None:
        if form not in FORMS:
            raise ClipbioError(f"form='{form}' is unknown{nearest(form, FORMS)}")
        self._form, self._numbers = form, {label: number for number, label in enumerate(labels, 1)}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], instances: Sequence[Instance]) -> None:
        """Add a picture of a size (width, height)."""
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": file_name, "width": size[0], "height": size[1]})
        for one in instances:
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": self._numbers[one.label],
                    "bbox": [int(side) for side in one.box],
                    "area": one.area,
                    "iscrowd": 0,
                    "segmentation": _run_lengths(one, size) if self._form == "rle" else outlines(one),
                }
            )

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        categories = [{"id": number, "name": label, "supercategory": ""} for label, number in self._numbers.items()]
        content = {"images": self._images, "annotations": self._annotations, "categories": categories}
        write_text(folder / ANNOTATIONS, json.dumps({"info": {}, "licenses": [], **content}) + "\n")


@dataclass(frozen=True)
class CocoPicture:
    """A picture of a COCO file with what is marked on it.

    Attributes:
        file_name: As it stands in the file.
        size: Width and height.
        marks: Label and entry of each annotation, in the order of the categories.
    """

    file_name: str
    size: tuple[int, int]
    marks: tuple[tuple[str, Mapping[str, Any]], ...]

    def masks(self) -> dict[str, Mask]:
        """Return the mask (H, W) of each label that is marked.

        Raises:
            ClipbioError: A mark cannot be read.
        """
        masks: dict[str, Mask] = {}
        for label, mark in self.marks:
            try:
                mask_HW = _mask(mark, self.size)
            except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
                raise ClipbioError(f"{self.file_name}: annotation {mark.get('id')} cannot be read: {error}") from error
            masks[label] = masks[label] | mask_HW if label in masks else mask_HW
        return masks


def read_coco(path: Path) -> tuple[tuple[str, ...], list[CocoPicture]]:
    """Return the categories of a file in the order of their numbers, and its pictures.

    Raises:
        ClipbioError: It is no such file, or an entry lacks what it needs.
    """
    content = read_json(path)
    try:
        ordered = sorted(content["categories"], key=lambda one: int(one["id"]))
        labels = {int(one["id"]): str(one["name"]) for one in ordered}
        marks: dict[int, list[tuple[int, Mapping[str, Any]]]] = {}
        for mark in content["annotations"]:
            marks.setdefault(int(mark["image_id"]), []).append((int(mark["category_id"]), mark))
        pictures = [
            CocoPicture(
                str(one["file_name"]),
                (int(one["width"]), int(one["height"])),
                tuple((labels[number], mark) for number, mark in sorted(marks.get(int(one["id"]), []), key=_category)),
            )
            for one in content["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ClipbioError(f"{path} is no COCO file of instances: {told}") from error
    for picture in pictures:
        if min(picture.size) < 1 or math.prod(picture.size) > MAX_PIXELS:
            raise ClipbioError(f"{path}: {picture.file_name} claims {picture.size[0]} x {picture.size[1]} pixels")
    return tuple(dict.fromkeys(labels.values())), pictures


def _category(numbered: tuple[int, Mapping[str, Any]]) -> int:
    return numbered[0]


def _coder() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ClipbioError("COCO files need pycocotools: pip install 'clipbio[organs]'") from error
    return mask


def _run_lengths(instance: Instance, size: tuple[int, int]) -> dict[str, Any]:
    whole_HW = instance.whole((size[1], size[0]))
    coded = _coder().encode(np.asfortranarray(whole_HW, dtype=np.uint8))
    return {"size": [int(side) for side in coded["size"]], "counts": coded["counts"].decode("ascii")}


def _mask(mark: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    """Return what an annotation marks in a picture of a size (width, height)."""
    width, height = size
    shape = mark.get("segmentation")
    if not shape:
        return _box_mask(mark["bbox"], size)
    if isinstance(shape, Mapping):
        if list(shape["size"]) != [height, width]:
            raise ValueError(f"run lengths of {shape['size']}, the picture has {[height, width]}")
        return _of_run_lengths(shape["counts"], (height, width))
    if any(len(ring) < 6 or len(ring) % 2 for ring in shape):
        raise ValueError("a polygon needs at least three points, as x, y, x, y, ...")
    if not all(math.isfinite(place) and abs(place) < _FAR for ring in shape for place in ring):
        raise ValueError("a polygon leaves the picture")
    coded = _coder().frPyObjects([[float(place) for place in ring] for ring in shape], height, width)
    mask_HW: Mask = _coder().decode(_coder().merge(coded)).astype(bool)
    return mask_HW


def _of_run_lengths(counts: Any, shape: tuple[int, int]) -> Mask:
    """Return the mask of run lengths, column by column; pycocotools does not look whether short ones fill a picture."""
    lengths = _lengths(counts) if isinstance(counts, str) else [int(one) for one in counts]
    if sum(lengths) != math.prod(shape) or min(lengths) < 0:
        raise ValueError(f"run lengths of {sum(lengths)} pixels, the picture has {math.prod(shape)}")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(shape, order="F")


def _lengths(counts: str) -> list[int]:
    """Return the run lengths of COCO's text form: five bits a character, differences to the last but one."""
    lengths: list[int] = []
    value = bits = 0
    for character in counts:
        code = ord(character) - 48
        value |= (code & 0x1F) << bits
        bits += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << bits
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = bits = 0
    return lengths


def _box_mask(box: Sequence[float], size: tuple[int, int]) -> Mask:
    """Return a box as a mask: the pixels whose middle it holds."""
    x, y, width, height = (float(side) for side in box)
    column_W, row_H = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside_H, inside_W = (row_H >= y) & (row_H < y + height), (column_W >= x) & (column_W < x + width)
    return np.logical_and(inside_H[:, None], inside_W)
