"""What is shown of an index without a question: a few pictures of different families, and lists of what passes filters.

Shape suffixes: N specimen rows, n some of them, C distinct names.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from clipbio.search.filters import mask_N
from clipbio.search.hits import Hits
from clipbio.search.index import Index
from clipbio.search.query import Array
from clipbio.search.results import Results, SpecimenHit
from clipbio.serving.question import Question

__all__ = ["listed", "pictured"]

_SAMPLE = 5_000


def listed(index: Index, question: Question) -> Results:
    """Return the specimens that pass the filters of a question, by name; nothing ranks them.

    Raises:
        ClipbioError: A filter names no column or value.
    """
    begin = time.perf_counter()
    rows_n = np.flatnonzero(index.folder.once(mask_N(index.columns, question.conditions)))
    codes_N, _ = index.folder.rows.codes("name")
    offset = (question.page - 1) * question.size
    wanted = _by_name(rows_n, codes_N)[offset : offset + question.size]
    hits = Hits(index.folder)
    found = tuple(hits.specimen(int(row), 0) for row in wanted)
    return Results(found, "specimens", question.engine, offset, len(rows_n), time.perf_counter() - begin)


def pictured(index: Index, count: int = 12) -> list[SpecimenHit]:
    """Return specimens with a picture, of as many families as there are, and of different taxa."""
    hits, folder = Hits(index.folder), index.folder
    rows_n = np.flatnonzero(folder.once(folder.alive_N & _has_picture_N(index)))
    rows_n = rows_n[:: max(1, len(rows_n) // _SAMPLE)]
    families: Counter[str] = Counter()
    taxa: Counter[int] = Counter()
    ranked: list[tuple[int, int, int]] = []
    for row in rows_n.tolist():
        taxon = int(folder.taxon_N[row])
        family = folder.taxa[taxon].family
        # First one of each family, then second ones of another taxon, and so on.
        ranked.append((taxa[taxon], families[family], row))
        families[family] += not taxa[taxon]
        taxa[taxon] += 1
    return [hits.specimen(row, 0) for *_, row in sorted(ranked)[:count]]


def _by_name(rows_n: Array, codes_N: Array) -> Array:
    order: Array = rows_n[np.argsort(codes_N[rows_n], kind="stable")]
    return order


def _has_picture_N(index: Index) -> Array:
    rows = index.folder.rows
    small_N, folder_N = (
        rows.column(name).to_numpy(zero_copy_only=False) for name in ("picture_length", "image_folder")
    )
    has_N: Array = (small_N > 0) | (folder_N >= 0)
    return has_N
