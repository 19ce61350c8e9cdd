"""The same label set as pybioclip has it: `txt_emb_species.npy` and `txt_emb_species.json`.

pybioclip (https://github.com/Imageomics/pybioclip, src/bioclip/predict.py) multiplies image vectors by an array of
shape (dimensions, taxa), whose columns are named by a JSON list of [[seven ranks], common name]; the last rank is the
epithet.

Shape suffixes: c taxa of one part, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.taxonomy import RANKS

__all__ = ["PybioclipFiles"]

_STEM = "txt_emb_species"


class PybioclipFiles:
    """Both files while they are written, in a folder, for `count` taxa."""

    def __init__(self, folder: Path, dim: int, count: int) -> None:
        self._vectors_DC = np.lib.format.open_memmap(
            folder / f"{_STEM}.npy", mode="w+", dtype=np.float32, shape=(dim, count)
        )
        self._names = (folder / f"{_STEM}.json").open("w", encoding="utf-8")
        self._count = 0

    def add(self, rows: Sequence[Mapping[str, Any]], vectors_cD: npt.NDArray[Any]) -> None:
        """Append taxa."""
        self._vectors_DC[:, self._count : self._count + len(rows)] = vectors_cD.T
        for row in rows:
            ranks = [row[rank] for rank in RANKS]
            if not any(ranks):
                ranks[-1] = row["label"] or row["common_name"]
            self._names.write(("[" if self._count == 0 else ", ") + json.dumps([ranks, row["common_name"]]))
            self._count += 1

    def close(self) -> None:
        """Write what is not on the disk yet."""
        self._names.write("]\n")
        self._names.close()
        self._vectors_DC.flush()
