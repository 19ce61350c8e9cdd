"""From splits of data to what is appended to an index: records, vectors, small pictures, places of the full ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

from clipbio.data.images import BadImageError
from clipbio.data.index import ShardIndex
from clipbio.data.specimen import Specimen
from clipbio.data.thumbnails import thumbnail
from clipbio.evaluation.embed import Gathered
from clipbio.evaluation.store import EmbeddingStore
from clipbio.search.new_rows import ImagePlace, NewRows
from clipbio.search.query import Array
from clipbio.tasks.embed_sources import Wanted

__all__ = ["new_rows"]

# Whole pictures of so many specimens are held at once.
_AT_ONCE = 128


def new_rows(wanted: Wanted, store: EmbeddingStore, *, side: int, threads: Executor) -> Iterator[NewRows]:
    """Yield the specimens of a split whose vectors are in a store, some at a time.

    Args:
        wanted: The specimens.
        store: Their vectors, finished; what could not be read is left out.
        side: Longest side of small pictures in pixels, 0 for none.
        threads: Makes small pictures.
    """
    split = wanted.split
    assert split is not None
    for found in wanted.chunks(store, _AT_ONCE):
        specimens = [split.index.read(row, image=side > 0) for row in found.rows_N.tolist()]
        pictures = list(threads.map(lambda one: _small(one, side), specimens)) if side else []
        yield NewRows(
            specimens=[replace(one, image=None, mask=None, split=split.name) for one in specimens],
            vectors=_vectors(found),
            pictures=pictures,
            places=[_place(split.index, row) for row in found.rows_N.tolist()],
        )


def _vectors(found: Gathered) -> dict[str, tuple[Array, Array]]:
    masks = {name: one.numpy() for name, one in found.present.items()}
    return {name: (mask_B, found.vectors[name].numpy()[mask_B]) for name, mask_B in masks.items()}


def _small(specimen: Specimen, side: int) -> bytes | None:
    if not isinstance(specimen.image, bytes):
        return None
    try:
        return thumbnail(specimen.image, side)
    except BadImageError:
        return None


def _place(index: ShardIndex, row: int) -> ImagePlace | None:
    place = index.image_place(row)
    if place is None:
        return None
    path = place.path.resolve()
    return ImagePlace(str(path.parent), path.name, place.start, place.size)
