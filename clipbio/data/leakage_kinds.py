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
    """Return the values of a kind in each part as numbers, -1 where there is none; numbers are equal across parts."""
    if kind in _COLUMNS:
        return _codes([_taken(getattr(part.index, _COLUMNS[kind]).array, part) for part in parts])
    return [_numbers(part, kind) for part in parts]


def _taken(array: Any, part: SplitRows) -> Any:
    return array if len(part) == len(array) else array.take(pa.array(part.rows))


def _codes(arrays: Sequence[Any]) -> list[Integers]:
    """Number equal strings equally, in the order in which they occur."""
    encoded = pa.chunked_array(arrays).combine_chunks().dictionary_encode()
    empty_S = pc.equal(pc.binary_length(encoded.dictionary), 0).to_numpy(zero_copy_only=False)
    code_S = np.where(empty_S, -1, np.arange(len(empty_S)))
    code_N = code_S[encoded.indices.to_numpy()]
    starts = np.cumsum([len(array) for array in arrays])[:-1]
    return np.split(code_N, starts)


def _numbers(part: SplitRows, kind: str) -> Integers:
    index, rows = part.index, part.rows
    if kind in ("bin", "genus"):
        value_N: Integers = index.bin_N if kind == "bin" else index.taxon_NR[:, _GENUS]
        return value_N[rows]
    # A provisional name stands in the label of a record that has no species.
    labels = hashes(pa.chunked_array([_taken(index.labels.array, part)]), "label")
    species: Integers = index.taxon_NR[rows, _SPECIES]
    return np.where(species >= 0, species, labels)
