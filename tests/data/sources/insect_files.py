"""Small files in the layout of INSECT, as MATLAB writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

LISTS = {"train_loc": [1, 2, 3], "val_loc": [4], "test_seen_loc": [5], "test_unseen_loc": [6, 7]}
SPECIES = ["Aus bus", "Aus bus", "Cus dus", "Cus fus", "Aus bus", "Cus gus", "Cus sp. 4"]
BARCODES = ["ACGTAC", "ACGTAA", "CCGTAC", "CCGTTT", "ACGTAC", "GCGTAC", ""]


def cells(texts: Sequence[str], *, across: bool = False) -> np.ndarray:
    """Return a cell array of strings: an object array (N, 1) of arrays."""
    column = np.empty((len(texts), 1), dtype=object)
    for row, text in enumerate(texts):
        column[row, 0] = text
    return column.T if across else column


def tables(**more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the variables of both files; one that is None is left out."""
    names = sorted(set(SPECIES))
    values: dict[str, Any] = {
        "features": np.arange(2048 * len(SPECIES), dtype=float).reshape(2048, -1),
        "labels": np.array([[names.index(one) + 1] for one in SPECIES], dtype=float),
        "ids": cells([f"BC_{row:03d}" for row in range(len(SPECIES))]),
        "bold_ids": cells(["B1", "B1", "B2", "B3", "B4", "B5", "B6"]),
        "species": cells(SPECIES),
        "nucleotides": cells(BARCODES, across=True),
        "nucleotides_aligned": cells([f"--{one}-" for one in BARCODES], across=True),
    }
    splits: dict[str, Any] = {name: np.array([rows], dtype=np.uint16) for name, rows in LISTS.items()}
    splits["trainval_loc"] = np.array([[1, 2, 3, 4]], dtype=np.uint16)
    splits["att"] = splits["att_dna"] = np.ones((10, len(names)))
    table = {key: more.get(key, value) for key, value in values.items()}
    lists = {key: more.get(key, value) for key, value in splits.items()}
    return tuple({key: value for key, value in one.items() if value is not None} for one in (table, lists))  # type: ignore[return-value]


def write_insect(folder: Path, **more: Any) -> Path:
    """Write both files; `more` replaces variables."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in zip(("res101.mat", "att_splits.mat"), tables(**more), strict=True):
        savemat(folder / name, values, do_compression=True)
    return folder


def write_hdf5_mat(path: Path, values: dict[str, Any]) -> None:
    """Write variables as MATLAB 7.3 does: HDF5 behind a block of 512 bytes, arrays transposed, cells as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        for name, value in values.items():
            if value.dtype != object:
                file.create_dataset(name, data=value.T)
                continue
            stored = np.empty(value.T.shape, dtype=h5py.ref_dtype)
            for place, text in np.ndenumerate(value.T):
                letters = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
                cell = references.create_dataset(f"{name}{place}", data=letters if text else np.zeros(2, np.uint64))
                if not text:
                    cell.attrs["MATLAB_empty"] = np.uint8(1)
                stored[place] = cell.ref
            file.create_dataset(name, data=stored, dtype=h5py.ref_dtype)
    with path.open("r+b") as file:
        # 124 characters, then the version and the order of its bytes.
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
