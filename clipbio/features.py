"""A store of feature rows on disk, by key: written once, memory-mapped, shared by processes.

A segment is two files, `<name>.rows.npy` (N rows of F values) and `<name>.keys.npy` (N keys of 16 bytes). The rows are
put in place first, so a segment exists when its keys do. Segments are never changed: writers need no lock, and a reader
sees whole segments only.

Shape suffixes: N rows of one segment, K rows in all, B keys asked for, F features.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest

__all__ = ["KEY_BYTES", "FeatureStore", "key_of"]

KEY_BYTES = 16
DTYPES = ("float16", "float32")
_KEYS, _ROWS = ".keys.npy", ".rows.npy"
_log = logging.getLogger(__name__)

Array = npt.NDArray[Any]


def key_of(content: bytes | str) -> bytes:
    """Return the 16-byte key of an input: a hash of an image's bytes or of a text."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.blake2b(data, digest_size=KEY_BYTES).digest()


class FeatureStore:
    """Rows of `width` features by 16-byte key, in one folder.

    The folder belongs to one trunk, transform and dtype: name it by the tower's fingerprint. Several processes may read
    and write at the same time. A store can be pickled; the copy reads the folder anew.
    """

    def __init__(self, folder: str | os.PathLike[str], *, width: int, dtype: str = "float16") -> None:
        if dtype not in DTYPES:
            raise ClipbioError(f"features cannot be stored as '{dtype}'{nearest(dtype, DTYPES)}")
        self.folder = Path(folder)
        self.width = width
        self.dtype = np.dtype(dtype)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "width": self.width, "dtype": self.dtype}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
        self.refresh()

    def __len__(self) -> int:
        """Count the distinct keys stored."""
        self.refresh()
        self._index_new()
        while len(self._indices) > 1:
            later = self._indices.pop()
            self._indices.append(self._indices.pop().joined(later))
        return sum(map(len, self._indices))

    def __contains__(self, key: bytes) -> bool:
        """Tell whether a key has a row, as far as is known: a look at the folder is left to `refresh`."""
        return bool(self._find([key])[0] >= 0)

    def missing(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return those keys that have no row yet, each once, in their order."""
        self.refresh()
        if not keys:
            return []
        found_B = self._find(keys) >= 0
        return list(dict.fromkeys(key for key, found in zip(keys, found_B.tolist(), strict=True) if not found))

    def get(self, keys: Sequence[bytes]) -> Array:
        """Return the rows of the keys, in their order; a key that is not stored is an error."""
        if not keys:
            return np.empty((0, self.width), dtype=self.dtype)
        places_B = self._find(keys)
        if (places_B < 0).any():
            self.refresh()
            places_B = self._find(keys)
        absent = np.flatnonzero(places_B < 0)
        if len(absent):
            raise ClipbioError(
                f"{len(absent)} of {len(keys)} features are not in {self.folder} "
                f"(first: {keys[absent[0]].hex()}); compute them before they are read"
            )
        return self._gather(places_B)

    def put(self, keys: Sequence[bytes], rows: npt.ArrayLike) -> None:
        """Append rows as one segment; a key that is stored already keeps its first row."""
        halves_B2 = _halves(keys)
        with np.errstate(over="ignore"):
            rows_BF = np.ascontiguousarray(rows, dtype=self.dtype)
        if rows_BF.shape != (len(keys), self.width):
            raise ClipbioError(f"features of shape {rows_BF.shape} given for {len(keys)} keys of width {self.width}")
        if not np.isfinite(rows_BF).all():
            raise ClipbioError(f"features hold values that are not finite in {self.dtype}; store them as float32")
        if not keys:
            return
        name = f"segment-{uuid.uuid4().hex}"
        self._write(name + _ROWS, rows_BF)
        self._write(name + _KEYS, halves_B2)
        self._add(name)

    def refresh(self) -> None:
        """Take notice of segments that others have written since."""
        for path in sorted(self.folder.glob(f"segment-*{_KEYS}")):
            name = path.name.removesuffix(_KEYS)
            if name not in self._known:
                self._add(name)

    def _forget(self) -> None:
        self._known: set[str] = set()
        self._keys: list[Array] = []
        self._rows: list[Array] = []
        self._indices: list[_Index] = []
        self._indexed = 0
        self._ends: Array = np.empty(0, np.int64)

    def _write(self, name: str, array: Array) -> None:
        temporary = self.folder / f".{name}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()

    def _add(self, name: str) -> None:
        self._known.add(name)
        try:
            keys_N2 = np.load(self.folder / (name + _KEYS), allow_pickle=False)
            rows_NF = np.load(self.folder / (name + _ROWS), mmap_mode="r", allow_pickle=False)
            if keys_N2.dtype != np.uint64 or keys_N2.shape != (len(rows_NF), 2):
                raise ValueError(f"{len(rows_NF)} rows do not go with keys of shape {keys_N2.shape}")
            if rows_NF.dtype != self.dtype or rows_NF.shape[1:] != (self.width,):
                raise ValueError(f"it holds {rows_NF.dtype} rows of shape {rows_NF.shape[1:]}")
        except (ValueError, OSError, EOFError) as error:
            _log.warning("feature segment %s in %s is ignored: %s", name, self.folder, error)
            return
        self._keys.append(keys_N2)
        self._rows.append(rows_NF)

    def _find(self, keys: Sequence[bytes]) -> Array:
        """Return the place of each key among all rows, -1 where it is not."""
        self._index_new()
        halves_B2 = _halves(keys)
        place_B = np.full(len(keys), -1, dtype=np.int64)
        for index in self._indices:
            open_B = np.flatnonzero(place_B < 0)
            place_B[open_B] = index.find(halves_B2[open_B])
        return place_B

    def _index_new(self) -> None:
        """Index the segments that came since; indices of like size become one, so that each key is sorted few times."""
        new = self._keys[self._indexed :]
        if not new:
            return
        start = int(self._ends[-1]) if len(self._ends) else 0
        keys_K2 = np.concatenate(new)
        self._indices.append(_Index(keys_K2, start + np.arange(len(keys_K2))))
        self._indexed = len(self._keys)
        self._ends = np.cumsum([len(rows) for rows in self._rows])
        while len(self._indices) > 1 and len(self._indices[-2]) < 2 * len(self._indices[-1]):
            later = self._indices.pop()
            self._indices.append(self._indices.pop().joined(later))

    def _gather(self, places_B: Array) -> Array:
        out_BF = np.empty((len(places_B), self.width), dtype=self.dtype)
        segment_B = np.searchsorted(self._ends, places_B, side="right")
        for segment in np.unique(segment_B):
            chosen = np.flatnonzero(segment_B == segment)
            start = self._ends[segment] - len(self._rows[segment])
            out_BF[chosen] = self._rows[segment][places_B[chosen] - start]
        return out_BF


class _Index:
    """Find the place of a key among rows by bisection: compact, and quick for whole batches."""

    def __init__(self, keys_K2: Array, place_K: Array) -> None:
        # The sort is stable, so that of two equal keys the one written first stays.
        order_K = np.lexsort((keys_K2[:, 1], keys_K2[:, 0]))
        keys_K2 = keys_K2[order_K]
        distinct_K = np.ones(len(keys_K2), dtype=bool)
        distinct_K[1:] = (keys_K2[1:] != keys_K2[:-1]).any(axis=1)
        self.place_K = place_K[order_K[distinct_K]]
        self.first_K = keys_K2[distinct_K, 0].copy()
        self.second_K = keys_K2[distinct_K, 1].copy()

    def __len__(self) -> int:
        return len(self.place_K)

    def joined(self, later: _Index) -> _Index:
        """Return this index with the keys of one that was written later."""
        parts = [np.stack([one.first_K, one.second_K], axis=1) for one in (self, later)]
        return _Index(np.concatenate(parts), np.concatenate([self.place_K, later.place_K]))

    def find(self, halves_B2: Array) -> Array:
        """Return the place of each key among all rows, -1 where it is not."""
        place_B = np.full(len(halves_B2), -1, dtype=np.int64)
        at_B = np.searchsorted(self.first_K, halves_B2[:, 0])
        open_B = np.arange(len(halves_B2))
        while len(open_B):
            open_B = open_B[at_B[open_B] < len(self.first_K)]
            open_B = open_B[self.first_K[at_B[open_B]] == halves_B2[open_B, 0]]
            hit = self.second_K[at_B[open_B]] == halves_B2[open_B, 1]
            place_B[open_B[hit]] = self.place_K[at_B[open_B[hit]]]
            # Keys that share their first half stand in a row: the others look at the next one.
            open_B = open_B[~hit]
            at_B[open_B] += 1
        return place_B


def _halves(keys: Sequence[bytes]) -> Array:
    """Return the keys as two 64-bit numbers each."""
    if any(len(key) != KEY_BYTES for key in keys):
        raise ClipbioError(f"feature keys have {KEY_BYTES} bytes")
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(len(keys), 2).astype(np.uint64)
