"""Approximate search of the vectors of an index: candidates from FAISS, compared by their stored vectors.

What passes a filter is told to FAISS beforehand; where few rows pass or few candidates come, there is no answer and the
exact search has to give it: so that as many hits come as are asked for. Rows that were appended after the approximate
search was built are compared one by one; deleted rows never come.

Shape suffixes: N rows of the index, n those that FAISS knows, c candidates, k hits, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.ann_kinds import AnnKind, ann_kind, load_faiss
from clipbio.search.exact import FEW
from clipbio.search.folder import IndexFolder
from clipbio.search.query import Array
from clipbio.search.vectors import Vectors

__all__ = ["MOST_HITS", "Ann", "Nearest", "ann_file", "open_ann"]

MOST_HITS = 100
"""Recall is measured for ten hits: many more are better searched exactly."""


class Nearest(NamedTuple):
    """Rows and their cosines, best first; of equal ones the lower row first."""

    rows_k: Array
    score_k: Array


class Ann:
    """The approximate search of one modality; may be used by several threads at once, each query on one core.

    Args:
        index: Of FAISS; its vectors stand in the order of rows.
        kind: Of what kind it is.
        vectors: Those of the modality in the index.
        covered: How many rows the index had when this was built; later ones are compared one by one.
        reach: How far it looks, see `AnnKind`.
    """

    def __init__(self, index: Any, kind: AnnKind, vectors: Vectors, *, covered: int, reach: int) -> None:
        self._index, self._kind, self._vectors = index, kind, vectors
        self._covered, self.reach = covered, reach
        self._rows_n = np.flatnonzero(vectors.has_N[:covered])

    def search(self, query_D: Array, k: int, passes_N: Array) -> Nearest | None:
        """Return the k nearest rows that pass and have a vector, None if only an exact search can.

        Args:
            query_D: A unit vector.
            k: How many are wanted.
            passes_N: Which rows may be found.
        """
        rows_c = self._candidates(query_D, k, passes_N)
        if rows_c is None:
            return None
        found = [(rows_c, self._vectors.take(rows_c) @ query_D), *self._later(query_D, passes_N)]
        rows, scores = (np.concatenate(columns) for columns in zip(*found, strict=True))
        best = np.lexsort((rows, -scores))[:k]
        return Nearest(rows[best], scores[best])

    def _candidates(self, query_D: Array, k: int, passes_N: Array) -> Array | None:
        passes_n = passes_N[: self._covered]
        if len(self._rows_n) < self._covered:
            passes_n = passes_n[self._rows_n]
        share = np.count_nonzero(passes_n) / max(1, len(passes_n))
        if share < FEW or k > MOST_HITS:
            return None
        selector = None if share == 1 else load_faiss().IDSelectorBitmap(np.packbits(passes_n, bitorder="little"))
        # With a filter as many vectors that pass are looked at as there would be without.
        parameters = self._kind.parameters(math.ceil(self.reach / share), selector)
        wanted = self._kind.oversampling * k
        query_1D = np.ascontiguousarray(query_D, np.float32)[None]
        places_c = self._index.search(query_1D, wanted, params=parameters)[1][0]
        # Too few where it looked: what passes lies elsewhere.
        return self._rows_n[places_c] if places_c[-1] >= 0 else None

    def _later(self, query_D: Array, passes_N: Array) -> Iterator[tuple[Array, Array]]:
        for rows, vectors_nD in self._vectors.blocks():
            # A part was either there as a whole when this was built, or not at all.
            if (rows.start if isinstance(rows, slice) else rows[0]) >= self._covered:
                places_n = np.flatnonzero(passes_N[rows])
                rows_n = places_n + rows.start if isinstance(rows, slice) else rows[places_n]
                yield rows_n, (vectors_nD @ query_D)[places_n]


def ann_file(modality: str) -> str:
    """Name the file of a modality."""
    return f"{modality}.faiss"


def open_ann(folder: IndexFolder, modality: str) -> Ann | None:
    """Open the approximate search of a modality, None if the index has none.

    Raises:
        ClipbioError: FAISS is not installed, or the file is missing or damaged.
    """
    piece, vectors = folder.manifest.ann, folder.vectors(modality)
    if piece is None or vectors is None or modality not in piece.facts["modalities"]:
        return None
    reach = int(piece.facts["modalities"][modality]["reach"])
    index = _read(folder.path / piece.folder / ann_file(modality))
    return Ann(index, ann_kind(piece.facts["kind"]), vectors, covered=int(piece.facts["rows"]), reach=reach)


def _read(path: Path) -> Any:
    faiss = load_faiss()
    try:
        # Mapped, not read: it is there at once, and processes share it.
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ClipbioError(f"{path} cannot be read as an index of FAISS; build it again with action=ann") from error
