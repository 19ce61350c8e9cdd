"""Images that occur more than once: the same file, or the same photo in another file.

Copies are sought by a perceptual hash of 64 bits (of the low frequencies of the picture: Zauner, Implementation and
Benchmarking of Perceptual Image Hash Functions, 2010) and confirmed by one of 256 bits and by the correlation of 24 x
24 grey pixels, without which different sheets of one herbarium pass.

Measured on photos of birds and butterflies: copies at half and quarter size, in grey, brightened or saved at quality 40
differ by at most 8 of 64 and 30 of 256 bits and correlate by 0.964 and more. Different photos among 5,545 differ by 52
of 256 bits at least. Of 1.8 million pairs of virtual sheets 46 differ by 40 and less, but correlate by at most 0.948.
Mirrored, turned and strongly cropped copies are not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clipbio.checking.looks import HASH_BYTES

__all__ = ["CORRELATION", "FINE_DISTANCE", "Copies", "close_pairs", "distance_for", "find_copies"]

FINE_DISTANCE, CORRELATION = 40, 0.955
# A wide search costs seconds for 50,000 images and an hour for a million; a narrow one seconds for a million.
_WIDE, _NARROW, _FEW = 10, 4, 50_000
_HASH_BITS = 64
_EDGES_KEPT = 4_000_000
_COMPARED_AT_ONCE = 16_384

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Copies:
    """Which of M images show the same.

    Args:
        file_M: Number of the distinct file that each image is.
        photo_M: Number of the distinct photo that each image shows.
        hash_M5: The perceptual hashes, 64 and 256 bits; all zero where there is none.
    """

    file_M: Integers
    photo_M: Integers
    hash_M5: Hashes

    def groups(self) -> Iterator[Integers]:
        """Yield the places of the images that show the same photo, in the order of the first one."""
        order = np.argsort(self.photo_M, kind="stable")
        starts = np.flatnonzero(np.diff(self.photo_M[order])) + 1
        several = [group for group in np.split(order, starts) if len(group) > 1]
        yield from sorted(several, key=lambda group: int(group[0]))

    def bits(self, one: int, other: int) -> int:
        """Return by how many of 256 bits two images differ."""
        return int(np.bitwise_count(self.hash_M5[one, 1:] ^ self.hash_M5[other, 1:]).sum())


def find_copies(digest_M: npt.NDArray[np.bytes_], fingerprint_MB: Bytes, hashed_M: npt.NDArray[np.bool_]) -> Copies:
    """Tell which images are the same file and which show the same photo.

    Args:
        digest_M: Digest of the bytes of each image.
        fingerprint_MB: What `look` gives as fingerprints.
        hashed_M: Which images have one.
    """
    hash_M5 = np.ascontiguousarray(fingerprint_MB[:, :HASH_BYTES]).view(np.uint64)
    file_M = np.unique(digest_M, return_inverse=True)[1].reshape(-1).astype(np.int64)
    groups = _Groups(len(file_M), _stars(file_M))
    rows_H = np.flatnonzero(hashed_M)
    if len(rows_H):
        # Copies with the very same hashes are tied to the first of them, so that a thousand cost no million pairs.
        _, first_U, same_H = np.unique(hash_M5[rows_H], axis=0, return_index=True, return_inverse=True)
        groups.add(rows_H[_stars(same_H.reshape(-1))])
        rows_U = rows_H[first_U]
        for pairs_P2 in close_pairs(hash_M5[rows_U, 0], distance_for(len(rows_U))):
            groups.add(_confirmed(rows_U[pairs_P2], hash_M5, fingerprint_MB[:, HASH_BYTES:]))
    return Copies(file_M, groups.labels(), hash_M5)


def _confirmed(pairs_P2: Integers, hash_M5: Hashes, pixel_MB: Bytes) -> Integers:
    """Return the pairs whose fine hashes and pixels agree."""
    kept = []
    for start in range(0, len(pairs_P2), _COMPARED_AT_ONCE):
        pairs = pairs_P2[start : start + _COMPARED_AT_ONCE]
        bits_P = np.bitwise_count(hash_M5[pairs[:, 0], 1:] ^ hash_M5[pairs[:, 1], 1:]).sum(axis=1)
        pairs = pairs[bits_P <= FINE_DISTANCE]
        one_PB, other_PB = (_standardised(pixel_MB[pairs[:, side]]) for side in (0, 1))
        kept.append(pairs[(one_PB * other_PB).mean(axis=1) >= CORRELATION])
    return np.concatenate(kept)


def _standardised(pixel_PB: Bytes) -> npt.NDArray[np.float32]:
    pixels = pixel_PB.astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    pixels /= np.maximum(pixels.std(axis=1, keepdims=True), np.float32(1e-6))
    return pixels


def distance_for(number: int) -> int:
    """Return in how many of 64 bits copies are sought among so many images."""
    return _WIDE if number <= _FEW else _NARROW


def close_pairs(hash_N: Hashes, distance: int) -> Iterator[Integers]:
    """Yield all pairs of places whose hashes differ by at most `distance` bits, as blocks pairs_P2.

    Of `distance + 1` bands of bits at least one is equal in such a pair, so that only hashes which share a band are
    compared. A pair that shares several bands comes once for each. Memory is a few arrays of length N.
    """
    width, wider = divmod(_HASH_BITS, distance + 1)
    start = 0
    for band in range(distance + 1):
        bits = width + (band < wider)
        value_N = (hash_N >> np.uint64(start)) & np.uint64((1 << bits) - 1)
        start += bits
        yield from _pairs_of_band(hash_N, value_N, distance)


def _pairs_of_band(hash_N: Hashes, value_N: Hashes, distance: int) -> Iterator[Integers]:
    order_N = np.argsort(value_N, kind="stable")
    value_N, hash_N = value_N[order_N], hash_N[order_N]
    left = np.arange(len(hash_N))
    shift = 0
    while len(left):
        shift += 1
        # Equal values stand together: who has no partner at this shift has none at any larger one.
        left = left[left + shift < len(hash_N)]
        left = left[value_N[left] == value_N[left + shift]]
        near = left[np.bitwise_count(hash_N[left] ^ hash_N[left + shift]) <= distance]
        if len(near):
            yield np.stack([order_N[near], order_N[near + shift]], axis=1)


def _stars(label_N: npt.NDArray[np.integer]) -> Integers:
    """Return pairs_P2 that tie each place to the first one with its label."""
    _, first, label_N = np.unique(label_N, return_index=True, return_inverse=True)
    pairs = np.stack([first[label_N.reshape(-1)], np.arange(len(label_N))], axis=1).astype(np.int64)
    tied: Integers = pairs[pairs[:, 0] != pairs[:, 1]]
    return tied


class _Groups:
    """Connected components of pairs that arrive in blocks; pairs that say nothing new are dropped in between."""

    def __init__(self, number: int, pairs: Integers) -> None:
        self._number = number
        self._blocks = [pairs]

    def add(self, pairs: Integers) -> None:
        self._blocks.append(pairs)
        if sum(map(len, self._blocks)) > self._number + _EDGES_KEPT:
            self._blocks = [_stars(self.labels())]

    def labels(self) -> Integers:
        pairs = np.concatenate(self._blocks)
        graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (self._number, self._number))
        labels: Integers = connected_components(graph, directed=False)[1].astype(np.int64)
        return labels
