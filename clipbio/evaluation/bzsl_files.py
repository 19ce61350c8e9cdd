"""Features as the published code of Bayesian zero-shot learning reads them: `res101.mat` and `att_splits.mat`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.image_classes import ImageClasses

__all__ = ["write_mat_files"]


def write_mat_files(folder: Path, parts: ImageClasses) -> None:
    """Write two MATLAB files in the layout of INSECT.

    `res101.mat`: `features` (dimensions, specimens), `labels` from 1, `ids`, `species`, `nucleotides`.
    `att_splits.mat`: `att` and `att_dna` (DNA dimensions, classes), and the rows of each list from 1. `train_loc` are
    `train` and `val`, `val_loc` is `val_unseen`, `trainval_loc` both.
    """
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    table = {
        "features": parts.image_ND.T,
        "labels": (parts.class_N + 1).astype(np.float64)[:, None],
        "ids": _cells(parts.ids),
        "species": _cells([parts.names[number] for number in parts.class_N.tolist()]),
        "nucleotides": _cells(parts.barcodes),
    }
    splits: dict[str, Any] = {"att": parts.dna_CE.T, "att_dna": parts.dna_CE.T}
    lists = {
        "train_loc": ("train", "val"),
        "val_loc": ("val_unseen",),
        "trainval_loc": ("train", "val", "val_unseen"),
        "test_seen_loc": ("test",),
        "test_unseen_loc": ("unseen",),
    }
    for name, members in lists.items():
        rows = [parts.rows[split] for split in members if split in parts.rows]
        splits[name] = (np.concatenate(rows) + 1).astype(np.float64)[None] if rows else np.zeros((1, 0))
    savemat(folder / "res101.mat", table, do_compression=True)
    savemat(folder / "att_splits.mat", splits, do_compression=True)


def _cells(texts: Sequence[str]) -> NDArray[Any]:
    """Return a cell array of strings (N, 1)."""
    column = np.empty((len(texts), 1), dtype=object)
    column[:, 0] = list(texts)
    return column
