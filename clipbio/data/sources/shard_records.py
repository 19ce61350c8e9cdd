"""The samples of a shard folder that `prepare` wrote, as the specimens that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from clipbio.data.defects import Defects
from clipbio.data.index import ShardIndex
from clipbio.data.manifest import ShardError
from clipbio.data.species_texts import SpeciesTexts
from clipbio.data.specimen import Specimen

if TYPE_CHECKING:
    from clipbio.data.shards import ShardFolder

__all__ = ["shard_records"]


def shard_records(folder: ShardFolder, defects: Defects) -> Iterator[Specimen]:
    """Yield the samples of all splits, without the texts of their species; pictures are read when they are wanted.

    Args:
        folder: The shards.
        defects: Samples that cannot be read are put here.
    """
    for split in folder.splits:
        shards = folder.manifest.shards_of(split)
        index = ShardIndex(folder.root, split, shards, SpeciesTexts(), storage=folder.storage)
        for row in range(len(index)):
            try:
                record = index.read(row, image=False)
                # The index does not tell who has a mask.
                masked = bool(folder.manifest.masks) and index.read(row).mask is not None
            except ShardError as error:
                defects.add("damaged_shard", f"specimen '{index.ids[row]}'", str(error))
                continue
            image = partial(_picture, index, row, "image") if index.image_digests[row] else None
            yield replace(record, image=image, mask=partial(_picture, index, row, "mask") if masked else None)


def _picture(index: ShardIndex, row: int, name: str) -> bytes:
    try:
        found = getattr(index.read(row), name)
    except ShardError as error:
        raise OSError(str(error)) from error
    assert isinstance(found, bytes)
    return found
