"""Columns in which splits are compared, as small numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbio.data.columns import Integers, hashes
from clipbio.data.splits import SplitRows
from clipbio.taxonomy import RANKS

__all__ = ["IDENTITIES", "KINDS", "coded"]

KINDS = {
    "specimen": "specimens",
    "group": "groups",
    "image": "images",
    "barcode": "barcodes",
    "bin": "BINs",
    "species": "species",
    "genus": "genera",
}
"""What may be shared, with its plural."""

IDENTITIES = ("specimen", "group", "image", "barcode")
"""The kinds that make two records the same individual, picture or sequence."""

_COLUMNS = {"specimen": "ids", "group": "group_ids", "image": "image_digests", "barcode": "dna_digests"}
_GENUS, _SPECIES = RANKS.index("genus"), RANKS.index("species")


def coded(parts: Sequence[SplitRows], kind: str) -> list[Integers]:
    """Return the values of a kind in each part as numbers that are equal across parts.

    A specimen without a value has -1, and so may have one whose value stands in no other part.
    """
    arrays = [_values(part, kind) for part in parts]
    # What only the largest part has is shared with nobody: nothing is sorted or kept for it.
    largest = max(range(len(arrays)), key=lambda place: len(arrays[place]))
    others = [array for place, array in enumerate(arrays) if place != largest]
    known = pc.unique(pa.chunked_array(others, arrays[0].type)).drop_null()
    return [_numbers(pc.index_in(array, value_set=known, skip_nulls=True)) for array in arrays]


def _numbers(indices: Any) -> Integers:
    numbers: Integers = indices.fill_null(-1).to_numpy().astype(np.int64)
    return numbers


def _values(part: SplitRows, kind: str) -> Any:
    """Return the values of a kind, null where there is none."""
    index = part.index
    if kind in _COLUMNS:
        array = _taken(getattr(index, _COLUMNS[kind]).array, part)
        return pc.if_else(pc.equal(pc.binary_length(array), 0), None, array)
    if kind in ("bin", "genus"):
        value_N = (index.bin_N if kind == "bin" else index.taxon_NR[:, _GENUS])[part.rows]
    else:
        species_N, label_N = index.taxon_NR[part.rows, _SPECIES], _labels(part)
        # A provisional name stands in the label of a record that has no species.
        value_N = np.where(species_N >= 0, species_N, label_N)
    return pa.array(value_N, mask=value_N < 0)


def _labels(part: SplitRows) -> Integers:
    label_N: Integers = hashes(pa.chunked_array([_taken(part.index.labels.array, part)]), "label")[:]
    return label_N


def _taken(array: Any, part: SplitRows) -> Any:
    return array if len(part) == len(array) else array.take(pa.array(part.rows))
