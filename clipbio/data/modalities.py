"""Which modalities a specimen brings to a model, and which of them a draw shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from clipbio.data.columns import Column
from clipbio.data.splits import IntArray, SplitRows
from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import rng

__all__ = ["MODALITIES", "check_dropout", "encodable", "lacking", "least_of", "shown", "taking_part", "told"]

MODALITIES = ("image", "text", "dna")


def least_of(modalities: Sequence[str]) -> int:
    """Return how many modalities a specimen needs to be trained on: a pair, or the only one of the model."""
    return min(2, len(modalities))


def taking_part(split: SplitRows, modalities: Sequence[str]) -> IntArray:
    """Return the rows that can have as many modalities as they need; any may have a text until it is rendered.

    Args:
        split: Rows of an index.
        modalities: What the model encodes.
    """
    return split.rows[int("text" in modalities) + _number(split, modalities) >= least_of(modalities)]


def encodable(split: SplitRows, modalities: Sequence[str]) -> IntArray:
    """Return the rows that have an image or a barcode that the model encodes; texts stand for classes in evaluation."""
    return split.rows[_number(split, modalities) > 0]


def lacking(split: SplitRows, modalities: Sequence[str]) -> list[str]:
    """Return which of image and barcode the model encodes and no row has; texts are not in the index."""
    return [name for name in ("image", "dna") if name in modalities and not _number(split, [name]).any()]


def told(modalities: Sequence[str]) -> str:
    """Say what a specimen lacks that is left out."""
    names = ", ".join(modalities)
    return f"no {names}" if len(modalities) == 1 else f"fewer than two of {names}"


def shown(available: Sequence[str], dropout: Mapping[str, float], seed: int) -> tuple[str, ...]:
    """Return the modalities of a specimen that one draw shows: some are hidden by chance, two always stay.

    Args:
        available: Those that the specimen has.
        dropout: Probability of hiding each.
        seed: Seed of the draw.
    """
    kept = list(available)
    if dropout:
        random = rng("modality dropout", seed)
        hidden = {
            name for name, value in zip(MODALITIES, random.random(3), strict=True) if value < dropout.get(name, 0)
        }
        # Where not all of them may go, chance decides which one stays.
        for place in random.permutation(len(MODALITIES)):
            if MODALITIES[place] in hidden and len(kept) > 2:
                kept.remove(MODALITIES[place])
    return tuple(kept)


def check_dropout(dropout: Mapping[str, float], modalities: Iterable[str]) -> None:
    """Refuse modalities that the model does not encode, and what is no probability."""
    known = list(modalities)
    for name, value in dropout.items():
        if name not in known:
            raise ClipbioError(f"data.modality_dropout.{name}: the model encodes no {name}{nearest(name, known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise ClipbioError(f"data.modality_dropout.{name}={value} must lie between 0 and 1")
    if any(dropout.values()) and len(known) < 3:
        raise ClipbioError(
            f"data.modality_dropout has no effect: the model encodes {' and '.join(known)}, and two always stay"
        )


def _number(split: SplitRows, modalities: Sequence[str]) -> IntArray:
    """Count image and barcode of each row, of those that the model encodes."""
    number_N = np.zeros(len(split), dtype=np.int64)
    for name, column in (("image", split.index.image_digests), ("dna", split.index.dna_digests)):
        if name in modalities:
            number_N += _filled(column)[split.rows]
    return number_N


def _filled(column: Column[bytes]) -> npt.NDArray[np.bool_]:
    lengths = pc.fill_null(pc.binary_length(column.array), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths > 0)
