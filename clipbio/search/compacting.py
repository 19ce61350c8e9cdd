"""Writing an index again without what was deleted.

Shape suffixes: N rows of the index, n rows of one stretch, G groups, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipbio.search.folder import IndexFolder
from clipbio.search.part_writing import PartWriter
from clipbio.search.query import Array
from clipbio.search.text_writing import TextBook
from clipbio.search.texts import Texts

__all__ = ["compacted"]

_AT_ONCE = 65_536


def compacted(old: IndexFolder, part: Path, texts: Path) -> dict[str, Any]:
    """Write the living rows of an index into one part, and the texts that they use.

    Args:
        old: The index.
        part: An empty folder for rows.
        texts: An empty folder for texts.

    Returns:
        `vectors`, their number by modality, and `texts`, the facts on those.
    """
    book = TextBook(Texts.empty())
    used = np.unique(old.group_N[old.alive_N])
    new_G = np.full(len(old.texts.groups), -1, np.int32)
    new_G[used] = book.take_over(old.texts, used.tolist())
    with PartWriter(part, old.manifest.dim) as writer:
        for start in range(0, len(old), _AT_ONCE):
            rows_n = start + np.flatnonzero(old.alive_N[start : start + _AT_ONCE])
            writer.add_table(_rows(old, rows_n, new_G, writer))
        _copy_vectors(old, writer)
    manifest = old.manifest
    facts = book.write(texts, None, manifest.language, old.texts, manifest.dim, traits=manifest.traits)
    return {"vectors": writer.vectors, "texts": facts}


def _rows(old: IndexFolder, rows_n: Array, new_G: Array, writer: PartWriter) -> pa.Table:
    """Return rows as a table, their pictures copied and their groups numbered anew."""
    columns = {name: old.rows.column(name).take(pa.array(rows_n)) for name in old.rows.names}
    columns["group"] = pa.array(new_G[old.group_N[rows_n]])
    columns["picture_offset"] = pa.array([writer.add_picture(old.picture(row)) for row in rows_n.tolist()], pa.int64())
    return pa.table(columns)


def _copy_vectors(old: IndexFolder, writer: PartWriter) -> None:
    new_N = np.cumsum(old.alive_N) - 1
    for modality in old.manifest.modalities:
        vectors = old.vectors(modality)
        for rows, vectors_nD in vectors.blocks() if vectors else ():
            rows_n = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            for start in range(0, len(rows_n), _AT_ONCE):
                stretch = slice(start, start + _AT_ONCE)
                alive_n = old.alive_N[rows_n[stretch]]
                if alive_n.any():
                    writer.add_vectors(modality, new_N[rows_n[stretch][alive_n]], vectors_nD[stretch][alive_n])
