"""Pictures and masks as a segmenter sees them: augmented for training, whole for everything else."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from clipbio.data.batch import UNUSABLE, one_line
from clipbio.data.masks import masks_of, numbers_of
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.data.views import into_view
from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar
from clipbio.seeding import rng

__all__ = ["UNKNOWN", "OrganViews", "check_labels", "check_masks", "masked", "true_numbers"]

log = logging.getLogger(__name__)

UNKNOWN = 255
"""Number of pixels of which nothing is known: those of a specimen without mask, or whose picture is broken."""

_LOOKED_AT = 200


class OrganViews(Dataset[tuple[Tensor, Tensor]]):
    """Augmented views of a split, of a whole run one behind the other: uint8 pixels (3, h, w) and numbers (h, w).

    The order is a pure function of the seed: each epoch shows each specimen once.

    Args:
        split: The specimens.
        labels: What the numbers from 1 on mean.
        transform: Whose augmentation draws the views; it must not turn pictures by an angle.
        length: Number of views.
        seed: Decides order and views.
    """

    def __init__(
        self, split: SplitRows, labels: Sequence[str], transform: ImageTransform, *, length: int, seed: int
    ) -> None:
        if transform.augmentation.rotation:
            raise ClipbioError("augmentation.rotation has no effect on masks: set it to 0")
        self.split, self.labels, self.transform = split, labels, transform
        self.length, self.seed = length, seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        specimen = self.split.index.read(self._row(place))
        assert isinstance(specimen.image, bytes)
        parts = (self.seed, "organs", "view", place)
        try:
            pixels_3hw = self.transform(specimen.image, rng(*parts))
        except UNUSABLE as error:
            log.warning("specimen '%s' teaches nothing: %s", specimen.id, one_line(error))
            blank_3hw = torch.full((3, *self.transform.spec.size), self.transform.spec.fill, dtype=torch.uint8)
            return blank_3hw, torch.full(blank_3hw.shape[1:], UNKNOWN, dtype=torch.uint8)
        numbers_HW = true_numbers(specimen, self.labels)
        if numbers_HW is None:
            return pixels_3hw, torch.full(pixels_3hw.shape[1:], UNKNOWN, dtype=torch.uint8)
        augmentation = self.transform.augmentation
        if not augmentation.random:
            return pixels_3hw, torch.from_numpy(into_view(numbers_HW, self.transform.spec))
        return pixels_3hw, self._drawn(numbers_HW, augmentation, rng(*parts))

    def _drawn(self, numbers_HW: np.ndarray, augmentation: Augmentation, draw: np.random.Generator) -> Tensor:
        """Draw for a mask what the same generator drew for its picture."""
        box = augmentation.box(numbers_HW.shape[1], numbers_HW.shape[0], draw)
        height, width = self.transform.spec.size
        part = Image.fromarray(numbers_HW).resize((width, height), Image.Resampling.NEAREST, box=box)
        return augmentation.turned(torch.from_numpy(np.array(part))[None], draw, 0)[0]

    def _row(self, place: int) -> int:
        epoch, step = divmod(place, len(self.split))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, rng(self.seed, "organs", "order", epoch).permutation(len(self.split))
        return int(self.split.rows[self._order[1][step]])


def true_numbers(specimen: Specimen, labels: Sequence[str]) -> np.ndarray | None:
    """Return the mask of a specimen as numbers of these labels, (H, W); None without a mask."""
    masks = masks_of(specimen)
    return numbers_of(masks, labels) if masks else None


def masked(split: SplitRows, *, progress: bool = True) -> SplitRows:
    """Return the specimens of a split that have a mask; the index does not tell, so all of them are read."""
    with progress_bar(enabled=progress) as bar:
        rows = bar.track(split.rows, description=f"masks {split.name}")
        kept = [split.index.read(int(row)).mask is not None for row in rows]
    return SplitRows(split.name, split.index, split.rows[np.array(kept, dtype=bool)])


def check_masks(split: SplitRows) -> tuple[str, ...]:
    """Return the labels of the masks among some specimens spread over a split.

    Raises:
        ClipbioError: None of them has a mask.
    """
    step = max(1, len(split) // _LOOKED_AT)
    masked = [masks_of(split.index.read(int(row))) for row in split.rows[::step]]
    found = tuple(dict.fromkeys(label for masks in masked for label in masks))
    if not found:
        raise ClipbioError(f"no specimen of '{split.name}' has a mask; fill the column 'mask' (docs/organs.md)")
    return found


def check_labels(labels: Sequence[str] | None, found: Sequence[str]) -> tuple[str, ...]:
    """Return the labels to learn: those that were asked for, by default all that masks have."""
    if labels is None:
        return tuple(found)
    for label in labels:
        if label not in found:
            raise ClipbioError(f"labels: the masks have no '{label}'; they have {', '.join(found)}")
    if len(set(labels)) < len(labels) or not labels:
        raise ClipbioError(f"labels={list(labels)} must name at least one, and each once")
    return tuple(labels)
