"""Masks: what each pixel of a picture shows, as one PNG beside it.

The values of the pixels are numbers, 0 for background. The metadata key `mask_labels` names them, such as
`{"1": "leaf", "2": "flower"}`; in a table its cell holds that as JSON. Without it a mask is binary: every pixel that is
not 0 shows the `specimen`. H height and W width of the picture.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from clipbio.data.images import BadImageError, decode, encode
from clipbio.data.pictures import read_picture
from clipbio.data.specimen import WHOLE, Specimen
from clipbio.errors import ClipbioError

__all__ = ["LABELS_KEY", "WHOLE", "Mask", "encode_numbers", "mask_labels", "masks_of", "numbers_of", "read_numbers"]

LABELS_KEY = "mask_labels"
"""Key of the metadata that names the numbers of a mask."""

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.uint8]

_NUMBERED = ("1", "L", "P")


def mask_labels(metadata: Mapping[str, Any]) -> dict[int, str] | None:
    """Return the names of the numbers of a mask, None where the metadata have none."""
    given = metadata.get(LABELS_KEY)
    if not given:
        return None
    try:
        named = json.loads(given) if isinstance(given, str) else given
        labels = {int(number): str(name).strip() for number, name in sorted(named.items(), key=lambda one: int(one[0]))}
    except (ValueError, TypeError, AttributeError) as error:
        raise ClipbioError(f'{LABELS_KEY}={given!r} must name numbers, such as {{"1": "leaf"}}') from error
    if not all(0 < number < 256 and name for number, name in labels.items()):
        raise ClipbioError(f"{LABELS_KEY}={given!r} must name numbers from 1 to 255; 0 is background")
    return labels


def read_numbers(mask: bytes, *, named: bool = False) -> Numbers:
    """Return the numbers of an encoded mask as (H, W); of a coloured one 1 wherever it is not black.

    Args:
        mask: The encoded mask.
        named: Whether its numbers have names: colours are no numbers.

    Raises:
        ClipbioError: It cannot be read, or has colours where numbers are named.
    """
    with decode(mask) as image:
        if image.mode in _NUMBERED:
            return np.asarray(image).astype(np.uint8)
        if image.mode.startswith("I"):
            return np.asarray(image).clip(0, 255).astype(np.uint8)
        colours_HW3: Numbers = np.asarray(image.convert("RGB"))
    if (colours_HW3 == colours_HW3[..., :1]).all():
        return colours_HW3[..., 0].copy()
    if named:
        raise ClipbioError(f"it is coloured, and {LABELS_KEY} names numbers: give a palette or grey PNG")
    seen_HW: Numbers = colours_HW3.max(axis=2)
    return seen_HW.clip(0, 1)


def masks_of(specimen: Specimen) -> dict[str, Mask]:
    """Return what the mask of a specimen shows, by label in the order of the numbers; empty without a mask.

    A label of which nothing is seen has a mask too, all false. Numbers without a name count as background.

    Raises:
        ClipbioError: The mask or its labels cannot be read.
    """
    if specimen.mask is None:
        return {}
    try:
        labels = mask_labels(specimen.metadata)
        numbers_HW = read_numbers(read_picture(specimen.mask), named=labels is not None)
    except (BadImageError, ClipbioError) as error:
        raise ClipbioError(f"the mask of specimen '{specimen.id}': {error}") from error
    if labels is None:
        return {WHOLE: numbers_HW.astype(bool)}
    numbers: dict[str, list[int]] = {}
    for number, name in labels.items():
        numbers.setdefault(name, []).append(number)
    return {name: np.isin(numbers_HW, own) for name, own in numbers.items()}


def numbers_of(masks: Mapping[str, Mask], names: Sequence[str]) -> Numbers:
    """Return masks of one size as numbers (H, W): the place of their label in `names`, counted from 1, else 0.

    Where masks overlap the one that comes last in `names` is seen. Labels that `names` lacks count as background.
    """
    shape = next(iter(masks.values())).shape
    numbers_HW = np.zeros(shape, np.uint8)
    for number, name in enumerate(names, 1):
        if name in masks:
            numbers_HW[masks[name]] = number
    return numbers_HW


def encode_numbers(numbers_HW: Numbers) -> bytes:
    """Return numbers as a PNG of as many colours, which tell them apart by eye."""
    image = Image.fromarray(np.ascontiguousarray(numbers_HW))
    image.putpalette(_palette(int(numbers_HW.max(initial=0)) + 1))
    return encode(image, "PNG")


def _palette(count: int) -> list[int]:
    """Return the first colours of an endless row, black first, as red, green, blue, red, ..."""
    colours = [0, 0, 0]
    for place in range(count - 1):
        saturation, value = 0.35 if place // 5 % 2 else 0.8, 0.6 if place % 2 else 0.9
        colours += [round(255 * one) for one in colorsys.hsv_to_rgb((0.33 + 0.618 * place) % 1, saturation, value)]
    return colours
