"""The data of `python -m clipbio organs`, with masks where they can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipbio.data.datamodule import SpecimenData
from clipbio.data.splits import SplitRows
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.organs.segmenter import Segmenter
from clipbio.tasks.parts import build_data

__all__ = ["chosen_splits", "organ_data", "organ_transform"]

Config = Mapping[str, Any]

_VIRTUAL = "clipbio.data.sources.VirtualSource"


def organ_data(config: Config) -> SpecimenData:
    """Return the data of a config; a virtual herbarium comes with masks."""
    data = dict(config["data"])
    source = data.get("source")
    if source and source.get("_target_") == _VIRTUAL:
        data["source"] = {**source, "masks": True}
    return build_data({**config, "data": data}, World())


def chosen_splits(data: SpecimenData, wanted: Sequence[str] | None, default: Sequence[str]) -> list[SplitRows]:
    """Return the splits that were asked for, by default those of some names that exist."""
    names = [name for name in default if name in data.splits] if wanted is None else list(wanted)
    return [data.split(name) for name in names]


def organ_transform(
    segmenter: Segmenter, data: SpecimenData, augmentation: Augmentation | None = None
) -> ImageTransform:
    """Return what turns bytes into the pixels of a segmenter, whole where nothing is augmented."""
    return ImageTransform(segmenter.spec, augmentation, decoder=data.decoder, sheet_mask=data.sheet_mask)
