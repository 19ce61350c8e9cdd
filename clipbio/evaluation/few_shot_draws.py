"""Which specimens are the examples of a few-shot test, drawn or read from a file.

Shape suffixes: N specimens of the pool of examples, C classes, K shots, Q queries.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipbio.errors import ClipbioError
from clipbio.evaluation.labelled import Labelled
from clipbio.files import read_json
from clipbio.seeding import derive_seed

__all__ = ["Draws", "hashed_draws", "published_draws", "read_draws", "written_draws"]

IntArray = NDArray[np.int64]

Draws = Mapping[int, Sequence[IntArray]]
"""For each number of shots and each fold the rows support_CK of the pool."""


def hashed_draws(pool: Labelled, shots: Sequence[int], folds: int, *, seed: int, spare: int) -> Draws:
    """Draw by hashes of individuals, whatever the order of the rows; the first of a fold's 5 shots is its 1 shot.

    Of the records of an individual only one is an example. A class takes part in a number of shots if it has `spare`
    individuals more than that; classes are in ascending order of their keys.
    """
    draws: dict[int, list[IntArray]] = {k: [] for k in shots}
    ids = np.array(pool.ids, dtype=object)
    first_record = np.lexsort((ids.astype(str), pool.group_N, pool.key_N))
    pairs = np.stack([pool.key_N[first_record], pool.group_N[first_record]])
    row_U = first_record[np.unique(pairs, axis=1, return_index=True)[1]]
    for fold in range(folds):
        hash_U = np.array([derive_seed("few_shot", seed, fold, int(group)) for group in pool.group_N[row_U]], np.int64)
        drawn_U = row_U[np.lexsort((hash_U, pool.key_N[row_U]))]
        _, starts, counts = np.unique(pool.key_N[drawn_U], return_index=True, return_counts=True)
        for k in shots:
            start_C = starts[counts >= k + spare]
            draws[k].append(drawn_U[start_C[:, None] + np.arange(k)])
    return draws


def published_draws(key_N: IntArray, shots: Sequence[int], folds: int, *, in_place: bool) -> Draws:
    """Draw as BioCLIP's `few_shot.py` does, or with `in_place=False` as BioCLIP 2's `classification.py`.

    The number of the fold seeds Python's `random`, once; then the rows of each class, in the order in which classes
    first occur, are shuffled and the first k taken. In place every shuffle starts from the order that the last one
    left, so that a draw depends on all folds and shots before it. Where a class has fewer than k rows the published
    code stops: that number of shots and those after it are left out.
    """
    rows: dict[int, list[int]] = {}
    for row, key in enumerate(key_N.tolist()):
        rows.setdefault(key, []).append(row)
    draws: dict[int, list[IntArray]] = {}
    for k in shots:
        if min(map(len, rows.values()), default=0) < k:
            break
        draws[k] = []
        for fold in range(folds):
            generator = random.Random(fold)
            support = []
            for of_class in rows.values():
                drawn = of_class if in_place else list(of_class)
                generator.shuffle(drawn)
                support.append(drawn[:k])
            draws[k].append(np.array(support, np.int64).reshape(-1, k))
    return draws


@dataclass(frozen=True)
class _Source:
    """A file of draws and what its errors say of it."""

    path: Path
    pool: Labelled

    def refuse(self, what: str) -> ClipbioError:
        return ClipbioError(f"benchmark few_shot: support_file {self.path}: {what}")

    def rows(self, ids: Sequence[str], row_of: Mapping[str, int], shots: int) -> IntArray:
        missing = [id_ for id_ in ids if id_ not in row_of]
        if missing:
            raise self.refuse(f"{len(missing)} of its specimens are not in the data, such as '{missing[0]}'")
        rows = np.array(sorted((row_of[id_] for id_ in ids), key=lambda row: (self.pool.key_N[row], row)), np.int64)
        uneven = [key for key, count in Counter(self.pool.key_N[rows].tolist()).items() if count != shots]
        if uneven or len(set(ids)) != len(ids):
            raise self.refuse(
                f"the classes of this data do not have {shots} examples each; was it drawn on other data?"
            )
        return rows.reshape(-1, shots)


def written_draws(draws: Draws, pool: Labelled, **facts: object) -> str:
    """Return the text of a file of draws: `shots` holds the ids of the examples of each fold, class by class."""
    shots = {
        str(k): [[pool.ids[row] for row in support_CK.reshape(-1).tolist()] for support_CK in folds]
        for k, folds in draws.items()
    }
    return json.dumps({**facts, "shots": shots}, indent=1, ensure_ascii=False) + "\n"


def read_draws(path: Path, pool: Labelled, shots: Sequence[int], folds: int) -> Draws:
    """Read draws back for another model.

    Raises:
        ClipbioError: The file lacks shots, folds or specimens of the pool, or their classes are others.
    """
    found, content = _Source(path, pool), read_json(path)
    by_shots = content.get("shots") if isinstance(content, dict) else None
    if not isinstance(by_shots, dict):
        raise found.refuse("no draws are in it; give a file few_shot/SPLIT.json of a run, or that folder")
    row_of = {id_: row for row, id_ in enumerate(pool.ids)}
    for k in shots:
        if len(by_shots.get(str(k), ())) < folds:
            held = ", ".join(f"{len(ids)} folds of {name} shots" for name, ids in by_shots.items())
            raise found.refuse(f"{folds} folds of {k} shots are asked for, it holds {held}; change shots or folds")
    return {k: [found.rows(ids, row_of, k) for ids in by_shots[str(k)][:folds]] for k in shots}
