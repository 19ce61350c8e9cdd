"""Exact cosines of one query with all rows of a modality.

Shape suffixes: N specimen rows, n rows of one part, D dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.vectors import Vectors

__all__ = ["FEW", "cosines_N"]

Array = npt.NDArray[Any]

FEW = 0.05
"""Below this share of rows gathering them is faster than going through all."""


def cosines_N(vectors: Vectors, query_D: Array, wanted_N: Array) -> Array:
    """Return the inner products (N,) float32 of a query with the rows that are wanted and have a vector.

    Other rows have minus infinity, or their product where that was faster: mask again.
    """
    cosine_N = np.full(len(wanted_N), -np.inf, np.float32)
    query_D = np.ascontiguousarray(query_D, np.float32)
    rows_n = np.flatnonzero(wanted_N)
    if len(rows_n) < FEW * len(wanted_N):
        rows_n = rows_n[vectors.has_N[rows_n]]
        cosine_N[rows_n] = vectors.take(rows_n) @ query_D
        return cosine_N
    for rows, vectors_nD in vectors.blocks():
        cosine_N[rows] = vectors_nD @ query_D
    return cosine_N
