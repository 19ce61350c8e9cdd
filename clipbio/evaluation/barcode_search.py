"""Nearest barcodes without any model: k-mer counts and alignments, the baselines that an embedding has to beat.

Equal sequences are looked up once, and stand for all their copies.

Shape suffixes: Q queries, K keys, N sequences, U distinct sequences, C candidates, V k-mers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.dna import clean_barcode
from clipbio.evaluation.neighbours import nearest_keys

__all__ = ["barcode_numbers", "kmer_vectors", "nearest_by_alignment", "nearest_by_kmers", "plain_barcodes"]

IntArray = NDArray[np.int64]

# NUC.4.4 gives 5 to a match and -4 to a mismatch, IUPAC codes in between. Gaps are rare in COI, free at both ends.
_MATRIX, _GAP, _END_GAP = "NUC.4.4", -10.0, 0.0


def plain_barcodes(sequences: Sequence[str]) -> list[str]:
    """Return barcodes as they are compared: clean, without gaps and without the padding at their end.

    Raises:
        BadBarcode: One of them is no sequence of nucleotides.
    """
    clean = {sequence: clean_barcode(sequence).rstrip("N") for sequence in set(sequences)}
    return [clean[sequence] for sequence in sequences]


def barcode_numbers(*lists: Sequence[str]) -> list[IntArray]:
    """Number the distinct barcodes of several lists together, each list by itself in the result."""
    numbers: dict[str, int] = {}
    return [np.array([numbers.setdefault(one, len(numbers)) for one in part], np.int64) for part in lists]


def kmer_vectors(barcodes: Sequence[str], *, k: int = 5) -> Tensor:
    """Return the counts of all k-mers (stride 1) as unit vectors, float32 (N, 4^k).

    A window with a letter that is no base is not counted; a barcode without any other is a vector of zeros.
    """
    (number_N,) = barcode_numbers(barcodes)
    first = np.unique(number_N, return_index=True)[1]
    counts_UV = np.zeros((len(first), 4**k), np.float32)
    for row, place in enumerate(first.tolist()):
        counts_UV[row] = np.bincount(_kmers(barcodes[place], k), minlength=4**k)
    unit_UV = torch.nn.functional.normalize(torch.from_numpy(counts_UV), dim=1)
    return unit_UV[torch.from_numpy(number_N)]


def _kmers(barcode: str, k: int) -> IntArray:
    """Return the number of each whole k-mer in base 4."""
    base = np.full(256, -1, np.int64)
    base[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)
    digit = base[np.frombuffer(barcode.encode(), np.uint8)]
    if len(digit) < k:
        return np.zeros(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(digit, k)
    numbers: IntArray = windows[(windows >= 0).all(axis=1)] @ 4 ** np.arange(k - 1, -1, -1)
    return numbers


def nearest_by_kmers(queries: Sequence[str], keys: Sequence[str], *, k: int = 5) -> IntArray:
    """Return for each query the row of the key with the highest cosine of k-mer counts; ties go to the first key."""
    return _candidates(queries, keys, k, 1)[:, 0]


def nearest_by_alignment(queries: Sequence[str], keys: Sequence[str], *, shortlist: int = 50, k: int = 5) -> IntArray:
    """Return for each query the row of the key with the highest semi-global alignment score.

    Only the `shortlist` distinct keys with the most similar k-mer counts are aligned. Ties go to the first key.
    """
    candidate_QC = _candidates(queries, keys, k, shortlist)
    best: dict[str, int] = {}
    for query, candidates in zip(queries, candidate_QC.tolist(), strict=True):
        if query not in best:
            rows = sorted(row for row in candidates if row >= 0)
            best[query] = max(rows, key=lambda row: _score(query, keys[row]))
    return np.array([best[query] for query in queries], np.int64)


def _candidates(queries: Sequence[str], keys: Sequence[str], k: int, count: int) -> IntArray:
    """Return rows of the nearest distinct keys by k-mers (Q, C), -1 where there are fewer; each is a first copy."""
    query_N, key_N = (numbers for numbers in (barcode_numbers(queries)[0], barcode_numbers(keys)[0]))
    first_query_U = np.unique(query_N, return_index=True)[1]
    first_key_U = np.unique(key_N, return_index=True)[1]
    found = nearest_keys(
        kmer_vectors([queries[row] for row in first_query_U.tolist()], k=k),
        kmer_vectors([keys[row] for row in first_key_U.tolist()], k=k),
        k=count,
    )
    place_UC = found.key_Qk.numpy()
    row_UC = np.where(place_UC >= 0, first_key_U[place_UC], -1)
    rows: IntArray = row_UC[query_N].astype(np.int64)
    return rows


def _score(query: str, key: str) -> float:
    return float(_aligner().score(query, key)) if query and key else -np.inf


@cache
def _aligner() -> Any:
    from Bio.Align import PairwiseAligner, substitution_matrices

    matrix = substitution_matrices.load(_MATRIX)
    return PairwiseAligner(mode="global", substitution_matrix=matrix, gap_score=_GAP, end_gap_score=_END_GAP)
