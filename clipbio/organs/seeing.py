"""What a segmenter sees on the specimens of a split, in the pixels of their pictures.

Shape suffixes: H and W sides of the picture, h and w of the view, K classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipbio.data.batch import UNUSABLE, one_line
from clipbio.data.images import BadImageError, inspect
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows
from clipbio.data.transforms import ImageTransform
from clipbio.data.views import onto_picture
from clipbio.organs.segmenter import Segmenter
from clipbio.progress import progress_bar

__all__ = ["Seen", "on_picture", "prior_numbers", "sight"]

log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """A specimen, size (width, height) of its picture, and what each pixel shows: (H, W), 0 or a label from 1 on."""

    specimen: Specimen
    size: tuple[int, int]
    numbers_HW: np.ndarray


def sight(
    segmenter: Segmenter,
    split: SplitRows,
    transform: ImageTransform,
    *,
    batch_size: int,
    device: torch.device,
    masked: bool = False,
    progress: bool = True,
) -> Iterator[Seen]:
    """Yield what is seen on each picture; specimens whose picture cannot be read are left out with a warning.

    Args:
        segmenter: What sees.
        split: The specimens.
        transform: From bytes to its pixels, whole.
        batch_size: Pictures that are looked at together.
        device: Where.
        masked: Only specimens that have a mask.
        progress: Show a progress bar.
    """
    segmenter.to(device).eval()
    with progress_bar(enabled=progress) as bar:
        for start in bar.track(range(0, len(split), batch_size), description=f"organs {split.name}"):
            specimens = [split.index.read(int(row)) for row in split.rows[start : start + batch_size]]
            read = list(_read([one for one in specimens if one.mask is not None or not masked], transform))
            if not read:
                continue
            pixels_B3hw = torch.stack([pixels_3hw for _, _, pixels_3hw in read]).to(device)
            probability_BKhw = segmenter.probabilities(pixels_B3hw).cpu().numpy()
            for (specimen, size, _), probability_Khw in zip(read, probability_BKhw, strict=True):
                yield Seen(specimen, size, on_picture(probability_Khw, size, segmenter))


def on_picture(probability_Khw: np.ndarray, size: tuple[int, int], segmenter: Segmenter) -> np.ndarray:
    """Return the most probable class of each pixel of a picture of this size (width, height) as uint8 (H, W)."""
    best_HW = onto_picture(probability_Khw[0], size, segmenter.spec, fill=1)
    numbers_HW = np.zeros(best_HW.shape, np.uint8)
    for number, probability_hw in enumerate(probability_Khw[1:], 1):
        one_HW = onto_picture(probability_hw, size, segmenter.spec)
        numbers_HW[one_HW > best_HW] = number
        np.maximum(best_HW, one_HW, out=best_HW)
    return numbers_HW


def prior_numbers(segmenter: Segmenter, size: tuple[int, int]) -> list[np.ndarray]:
    """Return for each label the mask (H, W) that the layout alone suggests on a picture of this size."""
    prior_Lhw = segmenter.prior_Lhw.cpu().float().numpy()
    return [onto_picture(prior_hw, size, segmenter.spec) > 0.5 for prior_hw in prior_Lhw]


def _read(
    specimens: Sequence[Specimen], transform: ImageTransform
) -> Iterator[tuple[Specimen, tuple[int, int], Tensor]]:
    for specimen in specimens:
        if not isinstance(specimen.image, bytes):
            continue
        try:
            header = inspect(specimen.image)
            yield specimen, (header.width, header.height), transform(specimen.image)
        except (BadImageError, *UNUSABLE) as error:
            log.warning("specimen '%s' is left out: %s", specimen.id, one_line(error))
