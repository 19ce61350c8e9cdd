"""Pairs of one image and its own caption, as the published retrieval of BioCAP takes them.

Shape suffixes: N pairs, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import SplitData
from clipbio.taxonomy import class_name

__all__ = ["CaptionPairs", "caption_pairs"]

PROMPT = "a photo of"


@dataclass(frozen=True)
class CaptionPairs:
    """Images with a caption each; `without` counts the images that have none."""

    ids: tuple[str, ...]
    species: tuple[str, ...]
    vectors_ND: Tensor
    texts: tuple[str, ...]
    without: int


def caption_pairs(data: SplitData) -> CaptionPairs:
    """Return every image of a split with the first description of its record.

    The published prompt is "a photo of" with the caption after it, without a space between them.

    Raises:
        ClipbioError: No image has a description.
    """
    found = data.specimens
    pictured = [] if found is None or "image" not in found.vectors else found.present["image"].nonzero()[:, 0].tolist()
    rows = [row for row in pictured if found is not None and found.named[row].descriptions]
    if found is None or not rows:
        raise ClipbioError(
            f"benchmark retrieval: none of the {len(pictured)} images of split '{data.split}' has a description, and "
            "protocol=bioclip_v2 pairs each image with its own: take protocol=clipbio, or data with descriptions"
        )
    return CaptionPairs(
        tuple(found.ids[row] for row in rows),
        tuple(class_name(found.named[row].taxon, found.named[row].label) for row in rows),
        functional.normalize(found.vectors["image"][torch.tensor(rows)].float().cpu(), dim=1),
        tuple(PROMPT + found.named[row].descriptions[0] for row in rows),
        len(pictured) - len(rows),
    )
