"""Searching a million vectors: `search/exact_1m` against plain NumPy, `search/ann_1m` against plain FAISS.

Ours is a whole `Index.search` of one vector with a filter that keeps half of the rows: the filter looked up, the ten
nearest found, and their hits made, with the vectors memory-mapped. The peers are given the mask and have the vectors in
memory. The sides take turns, query by query; a process of each alone measures memory.

Shape suffixes: N rows, Q queries, n rows of a chunk, D dimensions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.search.ann import ann_file
from clipbio.search.ann_kinds import load_faiss
from clipbio.search.folder import IndexFolder
from clipbio.search.index import Index
from clipbio.search.query import Part, Query
from clipbio.search.vectors import Vectors

from search_world import HALF, World, left_half, queries
from sides import alone, line, resident

__all__ = ["ann", "exact"]

Array = npt.NDArray[Any]
Search = Callable[[Array], Array]

K = 10
_WARM = 5
_CHUNK = 65_536


def exact(world: World, count: int) -> str:
    """Return the line of the exact search."""
    return _line(
        "search/exact_1m", world, count, "ours_exact", "numpy", f"numpy {np.__version__}: product, argpartition"
    )


def ann(world: World, count: int) -> str:
    """Return the line of the approximate search."""
    peer_name = f"faiss {metadata.version('faiss-cpu')}: IVF,Flat, same centres and lists read"
    facts = IndexFolder.open(world.index, verify=False).manifest.ann
    assert facts, "the index has no approximate search"
    return _line("search/ann_1m", world, count, "ours_ann", "faiss", peer_name, **_plain(facts.facts))


def _plain(facts: Any) -> dict[str, Any]:
    image = facts["modalities"]["image"]
    return {
        "kind": facts["kind"],
        "reach": image["reach"],
        "recall_in_manifest": [image["recall@10"], image["recall@10/half"]],
        "build_seconds": image["seconds"],
    }


def _line(name: str, world: World, count: int, ours: str, peer: str, peer_name: str, **facts: Any) -> str:
    memory = [alone(memory_gib, world, side) for side in (ours, peer)]
    measured = alone(compare, world, count, ours, peer)
    return line(name, peer_name=peer_name, unit="ms", less_is_better=True, **measured, memory_gib=memory, **facts)


def compare(world: World, count: int, ours: str, peer: str) -> dict[str, Any]:
    """Return median milliseconds of both sides and how many of the ten nearest each of them finds."""
    query_QD, centre_QD = queries(world, count)
    sides = {name: SIDES[name](world) for name in dict.fromkeys((ours, peer, "numpy"))}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, list[Array]] = {name: [] for name in sides}
    for query_D in (*query_QD[:_WARM], *query_QD):
        for name, search in sides.items():
            begin = time.perf_counter()
            found[name].append(search(query_D))
            seconds[name].append(time.perf_counter() - begin)
    times = {name: np.array(values[_WARM:]) * 1000 for name, values in seconds.items()}
    truth = found["numpy"][_WARM:]
    vectors = _vectors(IndexFolder.open(world.index, verify=False))
    tenth = [float(vectors.of(int(rows[-1])) @ query_D) for rows, query_D in zip(truth, query_QD, strict=True)]
    return {
        "ours": float(np.median(times[ours])),
        "peer": float(np.median(times[peer])),
        "p95": [float(np.percentile(times[name], 95)) for name in (ours, peer)],
        "recall@10": [_share(found[name][_WARM:], truth) for name in (ours, peer)],
        "queries": count,
        "cosine_to_centre": float(np.mean(np.sum(query_QD * centre_QD, axis=1))),
        "cosine_of_tenth": float(np.mean(tenth)),
    }


def memory_gib(world: World, side: str) -> list[float]:
    """Return the peak resident memory of this process with one side, and what of it is not a file that is mapped."""
    search = SIDES[side](world)
    for query_D in queries(world, _WARM)[0]:
        search(query_D)
    return [resident() / 2**30, resident("RssAnon") / 2**30]


def _share(found: list[Array], truth: list[Array]) -> float:
    return float(np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(found, truth, strict=True)]))


def _ours_exact(world: World) -> Search:
    return _ours(world, exact=True)


def _ours_ann(world: World) -> Search:
    return _ours(world, exact=False)


def _ours(world: World, *, exact: bool) -> Search:
    index = Index.open(world.index, verify=False)

    def search(query_D: Array) -> Array:
        found = index.search(Query((Part("vector", query_D),)), k=K, where=HALF, exact=exact)
        return np.array([hit.row for hit in found.hits])  # type: ignore[union-attr]

    return search


def _numpy(world: World) -> Search:
    vectors = _vectors(IndexFolder.open(world.index, verify=False))
    vectors_ND = np.concatenate([vectors_nD for _, vectors_nD in _chunks(vectors)])
    passes_N = left_half(world)

    def search(query_D: Array) -> Array:
        score_N = vectors_ND @ query_D
        score_N[~passes_N] = -np.inf
        best = np.argpartition(score_N, -K)[-K:]
        return np.asarray(best[np.argsort(-score_N[best])])

    return search


def _faiss(world: World) -> Search:
    faiss = load_faiss()
    folder = IndexFolder.open(world.index, verify=False)
    assert folder.manifest.ann
    trained = faiss.read_index(str(folder.path / folder.manifest.ann.folder / ann_file("image")))
    flat = faiss.IndexIVFFlat(
        faiss.clone_index(trained.quantizer), trained.d, trained.nlist, faiss.METRIC_INNER_PRODUCT
    )
    list_N = _lists(trained)
    for rows, vectors_nD in _chunks(_vectors(folder)):
        list_n = list_N[rows]
        flat.add_core(*(len(list_n), faiss.swig_ptr(vectors_nD), None, faiss.swig_ptr(list_n)))
    passes_N = left_half(world)
    # As ours: twice as many lists where half of the rows pass.
    reach = math.ceil(folder.manifest.ann.facts["modalities"]["image"]["reach"] / passes_N.mean())

    def search(query_D: Array) -> Array:
        selector = faiss.IDSelectorBitmap(np.packbits(passes_N, bitorder="little"))
        parameters = faiss.SearchParametersIVF(nprobe=reach, sel=selector)
        return np.asarray(flat.search(query_D[None], K, params=parameters)[1][0])

    return search


def _lists(trained: Any) -> Array:
    """Return which list each vector is in (N,)."""
    faiss = load_faiss()
    list_N = np.empty(trained.ntotal, np.int64)
    for number in range(trained.nlist):
        size = trained.invlists.list_size(number)
        if size:
            list_N[faiss.rev_swig_ptr(trained.invlists.get_ids(number), size)] = number
    return list_N


def _chunks(vectors: Vectors) -> Iterator[tuple[slice, Array]]:
    """Yield the vectors some at a time; the index has one part, and every row a vector."""
    for _, vectors_nD in vectors.blocks():
        for start in range(0, len(vectors_nD), _CHUNK):
            stretch_nD = np.ascontiguousarray(vectors_nD[start : start + _CHUNK])
            yield slice(start, start + len(stretch_nD)), stretch_nD


def _vectors(folder: IndexFolder) -> Vectors:
    vectors = folder.vectors("image")
    assert vectors
    return vectors


SIDES: dict[str, Callable[[World], Search]] = {
    "ours_exact": _ours_exact,
    "ours_ann": _ours_ann,
    "numpy": _numpy,
    "faiss": _faiss,
}
