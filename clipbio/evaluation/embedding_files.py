"""Embeddings as files that other programs read: a table per split with ids, and `embeddings.json` about them.

`SPLIT.parquet` has a column `id` and one fixed-size list of float32 per modality, null where a specimen lacks it.
`SPLIT.safetensors` has per modality `NAME.vectors` (N, D) float32, zeros where its `NAME.mask` (N,) is 0, and `ids`:
the bytes of a JSON list. Both are written as rows come, and put in place when they are whole.

Shape suffixes: N rows, n those that have a modality, D dimensions.
"""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError, nearest
from clipbio.files import read_json, write_json

__all__ = [
    "ABOUT",
    "FORMATS",
    "TEXTS",
    "About",
    "VectorWriter",
    "clear",
    "list_column",
    "read_list_column",
    "unfinished",
    "vector_writer",
]

ABOUT, TEXTS = "embeddings.json", "texts.parquet"
FORMATS = ("parquet", "safetensors")
# Rows of a row group: few enough to be read one after the other on a laptop.
_GROUP = 8192

Array = npt.NDArray[Any]
Vectors = Mapping[str, tuple[Array, Array]]
"""Per modality a mask (N,) and the vectors (N, D), whose rows count where the mask is true."""


class VectorWriter(ABC):
    """Write one table, row by row, in constant memory; a file that is not finished is removed.

    Args:
        path: The file.
        widths: Dimensions of each modality.
        key: What the column of ids is called.
    """

    def __init__(self, path: Path, widths: Mapping[str, int], key: str = "id") -> None:
        self.path, self.widths, self.key = path, dict(widths), key
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> VectorWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._close()
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write rows; a modality that `vectors` lacks is one that none of them has."""
        for start in range(0, len(ids), _GROUP):
            some = slice(start, start + _GROUP)
            filled = {}
            for name, width in self.widths.items():
                if name in vectors:
                    mask_N, whole_ND = (one[some] for one in vectors[name])
                else:
                    mask_N, whole_ND = np.zeros(len(ids[some]), bool), np.zeros((len(ids[some]), width), np.float32)
                filled[name] = (mask_N, np.ascontiguousarray(whole_ND, dtype=np.float32))
            self._write(ids[some], filled)
            self.rows += len(ids[some])

    @abstractmethod
    def _write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write rows of which every modality is given."""

    @abstractmethod
    def _close(self) -> None:
        """Finish the partial file."""


class _ParquetWriter(VectorWriter):
    def __init__(self, path: Path, widths: Mapping[str, int], key: str = "id") -> None:
        super().__init__(path, widths, key)
        columns = [pa.field(name, pa.list_(pa.float32(), width)) for name, width in widths.items()]
        self._schema = pa.schema([pa.field(key, pa.string(), nullable=False), *columns])
        # Floats hardly compress, and dictionaries of them help nobody.
        self._file = pq.ParquetWriter(self._partial, self._schema, compression="zstd", use_dictionary=False)

    def _write(self, ids: Sequence[str], vectors: Vectors) -> None:
        columns = [pa.array(list(ids), pa.string()), *(list_column(*vectors[name]) for name in self.widths)]
        self._file.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _close(self) -> None:
        self._file.close()


class _SafetensorsWriter(VectorWriter):
    """The header of safetensors tells all sizes, so tensors are kept in files of their own until they are known."""

    def __init__(self, path: Path, widths: Mapping[str, int], key: str = "id") -> None:
        super().__init__(path, widths, key)
        self._pieces: dict[str, BinaryIO] = {}
        for name in ("ids", *(f"{name}.{kind}" for name in widths for kind in ("mask", "vectors"))):
            self._pieces[name] = self._piece(name).open("w+b")
        self._pieces["ids"].write(b"[")

    def _piece(self, name: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{name}.partial")

    def _write(self, ids: Sequence[str], vectors: Vectors) -> None:
        listed = json.dumps(list(ids), ensure_ascii=False)[1:-1].encode()
        self._pieces["ids"].write((b"," if self.rows else b"") + listed)
        for name, (mask_N, whole_ND) in vectors.items():
            self._pieces[f"{name}.mask"].write(mask_N.astype(np.uint8).tobytes())
            self._pieces[f"{name}.vectors"].write((whole_ND * mask_N[:, None]).astype("<f4").tobytes())

    def _close(self) -> None:
        self._pieces["ids"].write(b"]")
        header, start = {}, 0
        for name, file in self._pieces.items():
            size = file.tell()
            header[name] = {**self._form(name, size), "data_offsets": [start, start + size]}
            start += size
        text = json.dumps(header).encode()
        # Eight bytes apart, so that a reader may map the vectors.
        text += b" " * (-len(text) % 8)
        try:
            with self._partial.open("wb") as whole:
                whole.write(len(text).to_bytes(8, "little") + text)
                for file in self._pieces.values():
                    file.seek(0)
                    shutil.copyfileobj(file, whole)
        finally:
            for name, file in self._pieces.items():
                file.close()
                self._piece(name).unlink(missing_ok=True)

    def _form(self, name: str, size: int) -> dict[str, Any]:
        modality, _, kind = name.rpartition(".")
        if kind == "vectors":
            return {"dtype": "F32", "shape": [self.rows, self.widths[modality]]}
        return {"dtype": "U8", "shape": [size if name == "ids" else self.rows]}


def vector_writer(
    folder: Path, name: str, *, widths: Mapping[str, int], format: str = "parquet", key: str = "id"
) -> VectorWriter:
    """Return the writer of the table `name` in a folder.

    Raises:
        ClipbioError: The format is unknown.
    """
    if format not in FORMATS:
        raise ClipbioError(f"format={format} is unknown{nearest(str(format), FORMATS)}")
    folder.mkdir(parents=True, exist_ok=True)
    kind = _ParquetWriter if format == "parquet" else _SafetensorsWriter
    return kind(folder / f"{name}.{format}", widths, key)


def list_column(mask_N: Array, whole_ND: Array) -> pa.Array:
    """Return vectors as a column of fixed-size lists, null where the mask is false."""
    values = pa.array(np.ascontiguousarray(whole_ND).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(values, whole_ND.shape[1], mask=pa.array(~mask_N))


def read_list_column(column: pa.ChunkedArray | pa.Array, path: Path, name: str) -> tuple[Array, Array]:
    """Return which rows of a column of lists have one (N,), and the lists as float32 vectors (n, D).

    Args:
        column: The column, of whatever kind of lists.
        path: Its file, for messages.
        name: What it is called.

    Raises:
        ClipbioError: It holds no lists of floats, lists of several lengths, or lists with empty numbers.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) and array.num_chunks else array
    kind = array.type
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not nested or not pa.types.is_floating(kind.value_type):
        raise ClipbioError(f"{path}: the column '{name}' holds {kind}; a list of floats is needed in each row")
    mask_N = array.is_valid().to_numpy(zero_copy_only=False)
    given = array.drop_null()
    lengths = np.diff(given.offsets.to_numpy()) if not pa.types.is_fixed_size_list(kind) else np.array([kind.list_size])
    widths = np.unique(lengths)
    if len(widths) > 1:
        row = int(np.flatnonzero(mask_N)[np.flatnonzero(lengths != lengths[0])[0]])
        raise ClipbioError(f"{path}, row {row}: {name} has {lengths[lengths != lengths[0]][0]} numbers, others "
                           f"have {lengths[0]}")  # fmt: skip
    values = given.flatten()
    if values.null_count:
        raise ClipbioError(f"{path}: the column '{name}' holds lists with empty numbers")
    width = int(widths[0]) if len(widths) else 0
    return mask_N, values.to_numpy(zero_copy_only=False).astype(np.float32).reshape(int(mask_N.sum()), width)


@dataclass
class About:
    """What stands in `embeddings.json`.

    Args:
        dims: Dimensions by modality.
        normalised: Whether every vector has unit length.
        model: What the model is called.
        weights: Hash of the weights behind the vectors, by modality.
    """

    dims: dict[str, int]
    normalised: bool
    model: str | None = None
    weights: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    identity: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    finished: bool = False

    def add(self, name: str, writer: VectorWriter, *, identity: Mapping[str, Any], skipped: Mapping[str, str]) -> None:
        """Note a file that was written, and the reasons for the ids that are not in it."""
        self.files[name], self.rows[name] = writer.path.name, writer.rows
        self.identity[name], self.skipped[name] = identity, dict(skipped)
        self.weights |= identity.get("weights", {})

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        write_json(folder / ABOUT, {"format": 1, **asdict(self)})


def unfinished(folder: Path) -> bool:
    """Tell whether a folder is one that was begun here and not finished."""
    about = read_json(folder / ABOUT) if (folder / ABOUT).is_file() else {}
    return isinstance(about, dict) and about.get("finished") is False


def clear(folder: Path) -> None:
    """Remove the embeddings of a folder, and nothing else."""
    if (folder / ABOUT).is_file():
        about = read_json(folder / ABOUT)
        names = (
            [Path(str(name)).name for name in (about.get("files") or {}).values()] if isinstance(about, dict) else []
        )
        for name in (*names, TEXTS, ABOUT):
            (folder / name).unlink(missing_ok=True)
