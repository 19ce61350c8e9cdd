"""The kinds of approximate search, each a FAISS index whose settings follow from the number of vectors.

Inverted lists: Sivic and Zisserman, ICCV 2003; product quantisation: Jegou et al., TPAMI 2011; HNSW: Malkov and
Yashunin, TPAMI 2020; FAISS: Douze et al., arXiv 2401.08281.

Shape suffixes: n vectors, D dimensions.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

from clipbio.errors import ClipbioError, nearest
from clipbio.search.query import Array

__all__ = ["KINDS", "AnnKind", "ann_kind", "load_faiss"]

# Vectors for each list, and rounds over them. Centres become better with the number of vectors, not of rounds: of a
# mixture (200,000 vectors, 2,000 centres, 820 lists) ten rounds over 40 had 89 % of the ten nearest in one list, these
# stages, which take as long, 98 %.
_STAGES = ((10, 6), (40, 4), (100, 2))
_FEWEST_PER_LIST = 40
_MOST_LISTS = 16_384
# With the 25 iterations over 256 vectors each of FAISS, codes take twenty times as long and are hardly better.
_CODE_ITERATIONS, _TRAINED_PER_CODE = 10, 64
_DIMS_PER_CODE = 8


def load_faiss() -> Any:
    """Return the module.

    Raises:
        ClipbioError: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ClipbioError("approximate search needs faiss: pip install 'clipbio[faiss]'") from error
    return faiss


class AnnKind(Protocol):
    """How an approximate search is made and asked.

    `reach` is what is raised for recall: how many lists are read, or how many vectors are looked at. `oversampling`
    tells how many times as many candidates as hits are compared by their own vectors.
    """

    name: ClassVar[str]
    oversampling: ClassVar[int]
    least_reach: ClassVar[int]

    def made(self, dim: int, count: int) -> Any:
        """Return the untrained index of `count` vectors."""

    def trained(self, count: int) -> int:
        """Return how many of `count` vectors it learns from."""

    def train(self, index: Any, vectors_nD: Array) -> None:
        """Let the index learn."""

    def most_reach(self, count: int) -> int:
        """Return the reach from which on more does not find more."""

    def parameters(self, reach: int, selector: Any) -> Any:
        """Return the parameters of one search; `selector` tells which vectors may be found, None all."""


class _Lists:
    """Vectors in lists around centres, of which those next to the query are read."""

    least_reach: ClassVar[int] = 8

    def trained(self, count: int) -> int:
        return min(count, _STAGES[-1][0] * self.most_reach(count))

    def train(self, index: Any, vectors_nD: Array) -> None:
        """Find the centres of the lists in stages, each with more vectors, then learn how vectors are written."""
        centres = None
        for per_list, rounds in _STAGES:
            points = {"min_points_per_centroid": 1, "max_points_per_centroid": per_list}
            means = load_faiss().Kmeans(index.d, index.nlist, niter=rounds, spherical=True, **points)
            means.train(vectors_nD, init_centroids=centres)
            centres = means.centroids
        index.quantizer.add(centres)
        index.train(vectors_nD)

    def most_reach(self, count: int) -> int:
        """Return the number of lists: a power of two around four times the root of the number of vectors."""
        wanted = 1 << round(math.log2(4 * math.sqrt(count)))
        return max(1, min(wanted, _MOST_LISTS, count // _FEWEST_PER_LIST))

    def parameters(self, reach: int, selector: Any) -> Any:
        return load_faiss().SearchParametersIVF(nprobe=reach, sel=selector)


class Ivf(_Lists):
    """Lists of vectors in 8 bits a number: a quarter of their size, and next to nothing lost."""

    name: ClassVar[str] = "ivf"
    oversampling: ClassVar[int] = 4

    def made(self, dim: int, count: int) -> Any:
        faiss = load_faiss()
        return faiss.index_factory(dim, f"IVF{self.most_reach(count)},SQ8", faiss.METRIC_INNER_PRODUCT)


class IvfPq(_Lists):
    """Lists of codes of one byte for eight numbers: for indexes that do not fit into memory otherwise."""

    name: ClassVar[str] = "ivfpq"
    oversampling: ClassVar[int] = 20

    def made(self, dim: int, count: int) -> Any:
        faiss = load_faiss()
        codes = math.gcd(dim, max(1, dim // _DIMS_PER_CODE))
        index = faiss.index_factory(dim, f"IVF{self.most_reach(count)},PQ{codes}", faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.niter, index.pq.cp.max_points_per_centroid = _CODE_ITERATIONS, _TRAINED_PER_CODE
        return index


class Hnsw:
    """A graph of neighbours over vectors in 8 bits a number: the best recall in little time, and slow to build."""

    name: ClassVar[str] = "hnsw"
    oversampling: ClassVar[int] = 4
    least_reach: ClassVar[int] = 64

    def made(self, dim: int, count: int) -> Any:
        faiss = load_faiss()
        return faiss.index_factory(dim, "HNSW32,SQ8", faiss.METRIC_INNER_PRODUCT)

    def trained(self, count: int) -> int:
        # What is learnt are the lowest and the highest number of each dimension.
        return min(count, 100_000)

    def train(self, index: Any, vectors_nD: Array) -> None:
        index.train(vectors_nD)

    def most_reach(self, count: int) -> int:
        return min(count, 4096)

    def parameters(self, reach: int, selector: Any) -> Any:
        return load_faiss().SearchParametersHNSW(efSearch=reach, sel=selector)


KINDS: dict[str, AnnKind] = {kind.name: kind for kind in (Ivf(), Hnsw(), IvfPq())}


def ann_kind(name: str) -> AnnKind:
    """Return a kind by its name.

    Raises:
        ClipbioError: There is none of this name.
    """
    if name not in KINDS:
        raise ClipbioError(f"ann={name} is unknown{nearest(name, KINDS)}")
    return KINDS[name]
