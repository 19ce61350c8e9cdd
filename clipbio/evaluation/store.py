"""Embeddings of a split on disk, in parts: what is finished is never encoded again.

A folder belongs to one identity: all that decides the vectors (weights, transform, precision) and the rows (data,
split). Each process writes parts of its own, whole and under a new name, so that no lock is needed; any number of
processes may read them and go on. A part is one safetensors file: the row numbers, and per modality a mask and the
vectors of the rows that have it; its header names the rows of which something could not be read, with the reasons.

Shape suffixes: N rows of a part, n those that have a modality, D dimensions, R all finished rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from torch import Tensor

from clipbio.data.batch import EvaluationBatch, Skipped
from clipbio.errors import ClipbioError
from clipbio.evaluation.embed import Gathered, Part, SkippedRows, merged, part_of
from clipbio.files import write_json

__all__ = ["EmbeddingStore", "Identity", "hash_of"]

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Identity = Mapping[str, Any]
"""All that decides the vectors and rows of a store, in plain JSON values."""

_PREFIX, _SUFFIX = "part-", ".safetensors"


def hash_of(identity: Identity) -> str:
    """Return 32 hex digits that stand for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


class EmbeddingStore:
    """The finished rows of one split.

    Used as a context it writes what is left at the end, also where an error ends it.

    Args:
        parent: Folder of all stores; this one is a folder in it, named by the identity.
        identity: All that decides the vectors and the rows.
        part_rows: Rows after which a part is written.
        part_seconds: Seconds after which a part is written, whatever its size: what a crash costs at most.
    """

    def __init__(self, parent: Path, identity: Identity, *, part_rows: int = 8192, part_seconds: float = 60.0) -> None:
        self.name = hash_of(identity)
        self.folder = parent / self.name
        self.part_rows, self.part_seconds = part_rows, part_seconds
        self._open: list[Part] = []
        self._skipped: SkippedRows = []
        self._since = time.monotonic()
        self._parts: dict[str, tuple[Part, SkippedRows] | None] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "identity.json").exists():
                write_json(self.folder / "identity.json", dict(identity))
        except OSError as error:
            raise ClipbioError(
                f"embeddings cannot be kept in {parent}: {error.strerror}; set cache_dir, or cache_embeddings=false"
            ) from error

    # -- writing ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> EmbeddingStore:
        self._since = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._write()

    def add(self, batch: EvaluationBatch, vectors: Mapping[str, Tensor]) -> None:
        """Take the embeddings of one batch, and write a part when there are enough or it is time."""
        self._open.append(part_of(batch, vectors))
        self._skipped.extend(batch["skipped"])
        rows = sum(len(part.rows_B) for part in self._open)
        if rows >= self.part_rows or time.monotonic() - self._since >= self.part_seconds:
            self._write()

    def _write(self) -> None:
        if self._open or self._skipped:
            tensors = _tensors(self._open)
            header = {
                "identity": self.name,
                "check": str(_check(tensors)),
                "skipped": json.dumps([[row, item.id, item.reason] for row, item in self._skipped]),
            }
            content = safetensors.numpy.save(tensors, metadata=header)
            _write_whole(self.folder / f"{_PREFIX}{uuid.uuid4().hex}{_SUFFIX}", content)
        self._open, self._skipped, self._since = [], [], time.monotonic()

    # -- reading ---------------------------------------------------------------------------------------------------

    def finished(self) -> Array:
        """Return the numbers of all rows that need not be encoded again (R,), sorted."""
        parts, skipped = self.read()
        numbers = [*(part.rows_B for part in parts), np.array([row for row, _ in skipped], np.int64)]
        return np.unique(np.concatenate(numbers))

    def read(self) -> tuple[list[Part], SkippedRows]:
        """Return all finished rows, each once, mapped from the disk; a damaged part is left out with a warning."""
        found = [one for path in sorted(self.folder.glob(f"{_PREFIX}*{_SUFFIX}")) if (one := self._known(path))]
        skipped = {row: item for _, reasons in reversed(found) for row, item in reasons}
        return _each_once([part for part, _ in found]), list(skipped.items())

    def read_rows(self, rows: Array) -> tuple[list[Part], SkippedRows]:
        """Return those of the finished rows that are asked for; a store may hold more of the same data."""
        parts, skipped = self.read()
        wanted = set(rows.tolist())
        return _of_rows(parts, rows), [(row, item) for row, item in skipped if row in wanted]

    def chunks(self, rows: Array, size: int) -> Iterator[Gathered]:
        """Yield rows that are finished, in the order of their numbers, some at a time; those skipped are left out."""
        parts, _ = self.read()
        rows = np.sort(rows)
        for start in range(0, len(rows), size):
            yield merged(_of_rows(parts, rows[start : start + size]), [])

    def _known(self, path: Path) -> tuple[Part, SkippedRows] | None:
        """Return a part, read and checked once; parts never change."""
        if path.name not in self._parts:
            self._parts[path.name] = self._read(path)
        return self._parts[path.name]

    def _read(self, path: Path) -> tuple[Part, SkippedRows] | None:
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
            if header["identity"] != self.name:
                raise ValueError("it belongs to other weights or data")
            if int(header["check"]) != _check(tensors):
                raise ValueError("its checksum is wrong")
            return _part(tensors), [(row, Skipped(id_, why)) for row, id_, why in json.loads(header["skipped"])]
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is ignored, its rows are encoded again: %s", path, error)
            return None


def _tensors(parts: list[Part]) -> dict[str, Array]:
    """Return parts under each other, as the tensors of one file."""
    rows_N = np.concatenate([part.rows_B for part in parts]).astype(np.int64)
    tensors = {"rows": rows_N}
    for name in dict.fromkeys(name for part in parts for name in part.vectors):
        having = [part.vectors.get(name) for part in parts]
        masks = [np.zeros(len(part.rows_B), bool) if one is None else one[0] for part, one in zip(parts, having)]
        tensors[f"{name}.mask"] = np.concatenate(masks)
        tensors[f"{name}.vectors"] = np.ascontiguousarray(np.concatenate([one[1] for one in having if one is not None]))
    return tensors


def _part(tensors: Mapping[str, Array]) -> Part:
    names = [name.removesuffix(".mask") for name in tensors if name.endswith(".mask")]
    return Part(tensors["rows"], {name: (tensors[f"{name}.mask"], tensors[f"{name}.vectors"]) for name in names})


def _each_once(parts: list[Part]) -> list[Part]:
    """Leave out rows that an earlier part has: two runs that went on at the same time did some rows twice."""
    if not parts:
        return []
    rows_N = np.concatenate([part.rows_B for part in parts])
    new_N = np.zeros(len(rows_N), bool)
    new_N[np.unique(rows_N, return_index=True)[1]] = True
    ends = np.cumsum([len(part.rows_B) for part in parts])[:-1]
    return [_only(part, kept_N) for part, kept_N in zip(parts, np.split(new_N, ends), strict=True)]


def _of_rows(parts: list[Part], rows: Array) -> list[Part]:
    if not len(rows):
        return []
    first, last = rows.min(), rows.max()
    near = [part for part in parts if len(part.rows_B) and part.rows_B.max() >= first and part.rows_B.min() <= last]
    return [_only(part, np.isin(part.rows_B, rows)) for part in near]


def _only(part: Part, kept_N: Array) -> Part:
    if kept_N.all():
        return part
    vectors = {name: (mask_N[kept_N], one_nD[kept_N[mask_N]]) for name, (mask_N, one_nD) in part.vectors.items()}
    return Part(part.rows_B[kept_N], vectors)


def _check(tensors: Mapping[str, Array]) -> int:
    """Return a checksum of all values: a file of the right length may still hold what a crash left of it."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data, value)
    return value


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ClipbioError(
            f"embeddings cannot be written to {path.parent}: {error.strerror}; set cache_dir, or cache_embeddings=false"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
