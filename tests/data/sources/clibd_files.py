"""Small HDF5 files in the layout of CLIBD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from bioscan_tables import FLY
from tables import Row, encoded

GROUPS_1M = {
    "no_split": ["N1"],
    "train_seen": ["T1"],
    "no_split_and_seen_train": ["N1", "T1"],
    "val_seen": ["V1"],
    "test_seen": ["E1"],
    "seen_keys": ["K1"],
    "val_unseen": ["V2"],
    "test_unseen": ["E2"],
    "val_unseen_keys": ["K2"],
    "test_unseen_keys": ["K3"],
    "all_keys": ["K1", "K2", "K3"],
}
GROUPS_5M = {
    "no_split_and_seen_train": ["P1", "T1"],
    "seen_keys": ["T1"],
    "unseen_keys": ["K1"],
    "all_keys": ["K1", "T1"],
    "val_seen": ["V1"],
    "test_seen": ["E1"],
    "val_unseen": ["V2"],
    "test_unseen": ["E2"],
    "other_heldout": ["O1"],
}
RANKS = ("order", "family", "genus", "species")


def record(identity: str, **more: str) -> Row:
    """Return the texts of a record."""
    return {"sampleid": identity, "image_file": f"{identity}.jpg", "barcode": "ACGTN", **FLY, **more}


def write_group(file: h5py.File, name: str, rows: Sequence[Row], *, five: bool = False) -> h5py.Group:
    """Write a group with one picture of noise for each record; `five` as BIOSCAN-5M is written."""
    group = file.create_group(name)
    pictures = [encoded(number) for number in range(len(rows))]
    padded = np.zeros((len(rows), max(map(len, pictures)) + 7), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        padded[number, : len(picture)] = np.frombuffer(picture, dtype=np.uint8)
    # The 5M file was grown row by row, which makes chunks, and its ranks are strings of variable length.
    group.create_dataset("image", data=padded, maxshape=(None, padded.shape[1]) if five else None)
    group.create_dataset("image_mask", data=[len(picture) for picture in pictures])
    for column in ("sampleid", "image_file", "barcode", *RANKS):
        cells = [row[column] for row in rows]
        group.create_dataset(column, data=cells if five and column in RANKS else np.array(cells, dtype="S"))
    if five:
        group.create_dataset("processid", data=np.array([f"P-{row['sampleid']}" for row in rows], dtype="S"))
    group.create_dataset("language_tokens_input_ids", data=np.zeros((len(rows), 20), dtype=np.int64))
    return group


def write_clibd(path: Path, groups: Mapping[str, Sequence[str]], *, five: bool = False) -> Path:
    """Write a file of these groups of ids, and return its path."""
    with h5py.File(path, "w") as file:
        for name, identities in groups.items():
            write_group(file, name, [record(identity) for identity in identities], five=five)
    return path


def write_one(path: Path, rows: Sequence[Row], **replaced: Any) -> Path:
    """Write the group `val_seen` alone, with other contents of some data sets, and return the path."""
    with h5py.File(path, "w") as file:
        group = write_group(file, "val_seen", rows)
        for name, values in replaced.items():
            del group[name]
            group.create_dataset(name, data=values)
    return path
