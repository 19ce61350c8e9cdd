"""`val` carved out of `train`, so that no individual and no barcode stands on both sides.

Shape suffixes: N rows of an index, G groups of rows (individuals), S sets of groups that stay together.
"""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from clipbio.data.columns import Column
from clipbio.data.shards import ShardIndex
from clipbio.data.splitting.grouping import joined
from clipbio.seeding import derive_seed

__all__ = ["carved"]

log = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LARGE = 0.5
_ENOUGH = 0.5


def carved(index: ShardIndex, share: float, seed: int) -> Mask | None:
    """Return which rows become `val`, None where all are of one group.

    Groups are taken in the order of their hashed numbers until a share of them is `val`. Groups with a common barcode
    stay together, as in the splits of BIOSCAN-5M; a set of them is passed over where it is larger than what is missing,
    or all that a species has. Where one set holds more than half of the rows, or less than half of the share is found,
    barcodes are not looked at, with a warning.

    Args:
        index: Samples of `train`.
        share: Share of the groups that becomes `val`.
        seed: Decides which groups.
    """
    name_G, group_N = np.unique(index.group_N, return_inverse=True)
    group_N = group_N.reshape(-1).astype(np.int64)
    if len(name_G) < 2:
        return None
    wanted = max(1, round(share * len(name_G)))
    set_G = _tied_by_barcodes(group_N, len(name_G), index.dna_digests)
    set_N = set_G[group_N]
    tied = int(np.bincount(set_N).max())
    chosen_S = _chosen(set_G, name_G, index.taxon_NR[:, -1], group_N, wanted, seed)
    if tied <= _LARGE * len(set_N) and np.bincount(set_G)[chosen_S].sum() >= _ENOUGH * wanted:
        return np.asarray(chosen_S[set_N])
    if int(set_G.max()) + 1 < len(name_G):
        log.warning(
            "common barcodes tie too many train specimens together (%d of %d the most): the 'val' that is carved out "
            "of train shares barcodes with it; give the data a split 'val' of its own", tied, len(set_N),
        )  # fmt: skip
    return np.asarray(_chosen(np.arange(len(name_G)), name_G, index.taxon_NR[:, -1], group_N, wanted, seed)[group_N])


def _tied_by_barcodes(group_N: IntArray, num_groups: int, digests: Column[bytes]) -> IntArray:
    """Return the set of each group."""
    known_N = np.asarray(pc.fill_null(pc.binary_length(digests.array), 0).to_numpy(zero_copy_only=False) > 0)
    barcode_N = digests.array.dictionary_encode().indices.fill_null(0).to_numpy(zero_copy_only=False)
    return joined(group_N[known_N], barcode_N[known_N].astype(np.int64), num_groups)


def _chosen(set_G: IntArray, name_G: IntArray, species_N: IntArray, group_N: IntArray, wanted: int, seed: int) -> Mask:
    """Return which sets become `val`: the first ones by the hash of their smallest group that fit."""
    first_S, size_S = np.unique(set_G, return_index=True, return_counts=True)[1:]
    set_N = set_G[group_N]
    order_N, end_S = np.argsort(set_N, kind="stable"), np.cumsum(np.bincount(set_N))
    remaining = Counter(species_N.tolist())
    chosen_S = np.zeros(len(first_S), dtype=bool)
    for one in np.argsort([derive_seed("val", seed, int(name)) for name in name_G[first_S]]):
        rows = order_N[end_S[one - 1] if one else 0 : end_S[one]]
        own = Counter(species_N[rows].tolist())
        whole = any(species >= 0 and remaining[species] == count for species, count in own.items())
        if size_S[one] > wanted or (whole and size_S[one] > 1):
            continue
        chosen_S[one] = True
        remaining.subtract(own)
        wanted -= int(size_S[one])
        if not wanted:
            break
    return chosen_S
