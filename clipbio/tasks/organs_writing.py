"""What is written of organs: those that a segmenter finds, or those that masks have."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipbio.config import instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.data.images import BadImageError
from clipbio.data.masks import Mask, mask_labels, masks_of
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen
from clipbio.data.splits import SplitRows
from clipbio.distributed import World
from clipbio.files import whole_folder
from clipbio.organs.coco import ANNOTATIONS
from clipbio.organs.crops import CropOptions
from clipbio.organs.folder import OrganFolder
from clipbio.organs.seeing import sight
from clipbio.organs.segmenter import Segmenter, load_segmenter
from clipbio.organs.views import check_labels
from clipbio.progress import progress_bar
from clipbio.tasks.asked import flag, new_folder
from clipbio.tasks.building import device_of
from clipbio.tasks.organs_data import chosen_splits, organ_data, organ_transform

__all__ = ["export", "predict", "write_organs"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_SPECK = 0.0005
Masked = tuple[Specimen, Mapping[str, Mask]]


def predict(config: Config) -> None:
    """Write the organs that a segmenter finds."""
    segmenter, data = load_segmenter(config["checkpoint"]), organ_data(config)
    config = {**config, "least_share": _SPECK if config["least_share"] is None else config["least_share"]}
    write_organs(config, segmenter.labels, data.folder.texts, _found(config, segmenter, data))


def export(config: Config) -> None:
    """Write the organs that the masks of the data have."""
    data = organ_data(config)
    splits = chosen_splits(data, config["splits"], list(data.splits))
    found = tuple(dict.fromkeys(label for split in splits for label in _labels(split)))
    labels = check_labels(config["labels"], found)
    write_organs(config, labels, data.folder.texts, _true(config, splits, labels))


def write_organs(config: Config, labels: Sequence[str], texts: SpeciesTexts, masked: Iterator[Masked]) -> None:
    """Write specimens with their masks as `OrganFolder` does, as a whole or not at all.

    Specimens whose picture cannot be read are left out with a warning.

    Args:
        config: Plain resolved config of `conf/organs.yaml`.
        labels: Labels in the order of their numbers.
        texts: Texts of species.
        masked: Specimens whose pictures are in memory, and their masks by label.
    """
    out = new_folder(config["out"], overwrite=flag(config["overwrite"], "overwrite"), mark=ANNOTATIONS)
    options = instantiate(config["crop"], "crop")
    assert isinstance(options, CropOptions)
    crops = options if flag(config["crops"], "crops") else None
    count = 0
    with whole_folder(Path(out)) as work:
        folder = OrganFolder(
            work, labels, texts, form=str(config["form"]), least_share=float(config["least_share"] or 0), crops=crops
        )
        for specimen, masks in masked:
            try:
                folder.add(specimen, masks)
                count += 1
            except BadImageError as error:
                log.warning("specimen '%s' is left out: %s", specimen.id, error)
        folder.finish()
    told = f", {folder.num_crops:,} crops" if crops else ""
    log.info("%s: %s pictures with masks and instances%s", out, f"{count:,}", told)


def _found(config: Config, segmenter: Segmenter, data: SpecimenData) -> Iterator[Masked]:
    for split in chosen_splits(data, config["splits"], list(data.splits)):
        for seen in sight(
            segmenter,
            split,
            organ_transform(segmenter, data),
            batch_size=data.evaluation_batch_size,
            device=device_of(str(config["trainer"]["accelerator"]), World()),
            progress=bool(config["progress"]),
        ):
            specimen = replace(seen.specimen, split=split.name)
            yield specimen, {label: seen.numbers_HW == one for one, label in enumerate(segmenter.labels, 1)}


def _true(config: Config, splits: Sequence[SplitRows], labels: Sequence[str]) -> Iterator[Masked]:
    with progress_bar(enabled=bool(config["progress"])) as bar:
        for split in splits:
            for row in bar.track(split.rows, description=f"masks {split.name}"):
                specimen = split.index.read(int(row))
                masks = {label: mask for label, mask in masks_of(specimen).items() if label in labels}
                if masks and specimen.image is not None:
                    # A `val` that was carved out of train stays one, or its crops would be trained on.
                    yield replace(specimen, split=split.name), masks


def _labels(split: SplitRows) -> tuple[str, ...]:
    """Return all labels that the specimens of a split name; where none names any, those of the first mask."""
    named = (mask_labels(split.index.read(int(row), image=False).metadata) for row in split.rows)
    if found := tuple(dict.fromkeys(label for labels in named if labels for label in labels.values())):
        return found
    return next((tuple(masks) for row in split.rows if (masks := masks_of(split.index.read(int(row))))), ())
