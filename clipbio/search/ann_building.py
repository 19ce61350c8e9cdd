"""Building an approximate search and raising its reach until it finds what the exact search finds.

Shape suffixes: N rows of the index, n some of them, q queries, D dimensions.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar
from clipbio.search.ann import Ann, ann_file
from clipbio.search.ann_kinds import AnnKind, ann_kind, load_faiss
from clipbio.search.folder import IndexFolder
from clipbio.search.query import Array
from clipbio.search.vectors import Vectors
from clipbio.seeding import rng

__all__ = ["FEWEST", "RECALL_TARGET", "write_ann"]

FEWEST = 1000
"""Below this number of vectors an approximate search is not built."""
RECALL_TARGET = 0.95
_K = 10
_QUERIES = 200
# The length of the noise that makes a query of a row: a cosine of 0.995 with it.
_NOISE = 0.1
_STEP = 1.4
_AT_ONCE = 16_384
_SAME = 1e-5

_log = logging.getLogger(__name__)


def write_ann(folder: IndexFolder, kind: str, out: Path) -> dict[str, Any]:
    """Build the approximate search of an index, for `IndexWriter.add_ann`.

    Args:
        folder: The index.
        kind: `ivf`, `hnsw` or `ivfpq`.
        out: An empty folder.

    Returns:
        What the manifest says of it: `kind`, `rows` that it knows, version of `faiss`, and of each modality the number
        of `vectors`, `reach`, `seconds` of building, and measured `recall@10`, without a filter and with one that keeps
        half of the rows at random (`recall@10/half`).

    Raises:
        ClipbioError: The kind is unknown, FAISS is not installed, or there are too few vectors.
    """
    chosen, faiss = ann_kind(kind), load_faiss()
    modalities: dict[str, Any] = {}
    for modality in folder.manifest.modalities:
        vectors = folder.vectors(modality)
        if vectors is not None and len(vectors) >= FEWEST:
            modalities[modality] = _build(chosen, vectors, folder.alive_N, modality, out / ann_file(modality))
    if not modalities:
        raise ClipbioError(
            f"ann={kind}: the index {folder.path} has fewer than {FEWEST} vectors, whose exact search takes no time: "
            "leave ann out"
        )
    return {"kind": kind, "rows": len(folder), "faiss": str(faiss.__version__), "modalities": modalities}


def _build(kind: AnnKind, vectors: Vectors, alive_N: Array, modality: str, path: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    index = kind.made(vectors.dim, len(vectors))
    _log.info("ann=%s: learning from %s vectors of %s", kind.name, kind.trained(len(vectors)), modality)
    kind.train(index, _sample(vectors, kind.trained(len(vectors))))
    with progress_bar() as bar:
        task = bar.add_task(f"ann={kind.name}: {modality}", total=len(vectors))
        for _, vectors_nD in _chunks(vectors):
            index.add(np.ascontiguousarray(vectors_nD, np.float32))
            bar.advance(task, len(vectors_nD))
    ann = Ann(index, kind, vectors, covered=len(alive_N), reach=kind.least_reach)
    recalls = _tune(ann, kind.most_reach(len(vectors)), vectors, alive_N)
    load_faiss().write_index(index, str(path))
    facts = {"vectors": len(vectors), "reach": ann.reach, **recalls, "seconds": round(time.perf_counter() - begin, 1)}
    _log.info("ann=%s of %s: %s", kind.name, modality, facts)
    return facts


def _sample(vectors: Vectors, count: int) -> Array:
    rows = np.flatnonzero(vectors.has_N)
    return vectors.take(np.sort(rng("ann", "sample").choice(rows, min(count, len(rows)), replace=False)))


def _tune(ann: Ann, most: int, vectors: Vectors, alive_N: Array) -> dict[str, float]:
    """Raise the reach until recall meets the target, with and without a filter; return the recalls."""
    random = rng("ann", "queries")
    rows = np.flatnonzero(vectors.has_N & alive_N)
    rows_q = random.choice(rows, min(_QUERIES, len(rows)), replace=False)
    noise_qD = random.standard_normal((len(rows_q), vectors.dim), dtype=np.float32)
    noise_qD *= _NOISE / np.linalg.norm(noise_qD, axis=1, keepdims=True)
    query_qD = _unit(vectors.take(rows_q) + noise_qD)
    masks = {"recall@10": alive_N, "recall@10/half": alive_N & (random.random(len(alive_N)) < 0.5)}
    limits = {name: _tenth(vectors, query_qD, rows_q, mask_N) for name, mask_N in masks.items()}
    while True:
        recalls = {name: _recall(ann, query_qD, rows_q, masks[name], limit_q) for name, limit_q in limits.items()}
        if min(recalls.values()) >= RECALL_TARGET or ann.reach >= most:
            break
        ann.reach = min(math.ceil(_STEP * ann.reach), most)
    if min(recalls.values()) < RECALL_TARGET:
        _log.warning("recall of the approximate search stays below %s: %s", RECALL_TARGET, recalls)
    return {name: round(value, 4) for name, value in recalls.items()}


def _tenth(vectors: Vectors, query_qD: Array, own_q: Array, passes_N: Array) -> Array:
    """Return the tenth highest cosine of each query with rows that pass, its own left out."""
    best_q10 = np.full((len(query_qD), _K), -np.inf, np.float32)
    for rows_n, vectors_nD in _chunks(vectors):
        score_qn = query_qD @ vectors_nD.T
        score_qn[:, ~passes_N[rows_n]] = -np.inf
        score_qn[own_q[:, None] == rows_n] = -np.inf
        best_q10 = -np.partition(-np.concatenate([best_q10, score_qn], axis=1), _K - 1, axis=1)[:, :_K]
    tenth_q: Array = best_q10.min(axis=1)
    return tenth_q


def _recall(ann: Ann, query_qD: Array, own_q: Array, passes_N: Array, tenth_q: Array) -> float:
    """Return the mean share of the ten nearest rows that are found; a search without an answer finds none."""
    shares = []
    for query_D, own, tenth in zip(query_qD, own_q, tenth_q, strict=True):
        found = ann.search(query_D, _K + 1, passes_N)
        scores = found.score_k[found.rows_k != own][:_K] if found else np.empty(0)
        shares.append(np.count_nonzero(scores >= tenth - _SAME) / _K)
    return float(np.mean(shares))


def _chunks(vectors: Vectors) -> Iterator[tuple[Array, Array]]:
    for rows, vectors_nD in vectors.blocks():
        rows_n = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        for start in range(0, len(rows_n), _AT_ONCE):
            yield rows_n[start : start + _AT_ONCE], vectors_nD[start : start + _AT_ONCE]


def _unit(vectors_nD: Array) -> Array:
    unit_nD: Array = vectors_nD / np.linalg.norm(vectors_nD, axis=1, keepdims=True)
    return unit_nD
