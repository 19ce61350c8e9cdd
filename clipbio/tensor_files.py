"""Rows of vectors in a safetensors file: written part by part, read where they are needed.

The safetensors library writes a file at once from memory; the form is simple enough to write it in order: the length of
a JSON header, the header, the tensors one behind the other (https://github.com/huggingface/safetensors).

Shape suffixes: N rows, n some of them, D dimensions.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest

__all__ = ["DTYPES", "VectorFile", "map_tensors"]

Array = npt.NDArray[Any]

DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64"}
_KINDS = {short: np.dtype(name).newbyteorder("<") for name, short in DTYPES.items()}
_LENGTH_BYTES = 8
# The number of rows is known at the end: the header is written last, into room that is kept for it.
_ROOM = 1024
_LONGEST_HEADER = 1 << 20


class VectorFile:
    """A file with the tensor `vectors` (N, D), written some rows at a time, and small tensors behind it.

    A context: without an error the file is whole at its end.

    Args:
        path: Where it goes; what is there is replaced.
        dtype: `float32`, or `float16` at half the size.

    Raises:
        ClipbioError: The dtype is unknown.
    """

    def __init__(self, path: Path, dtype: str = "float32") -> None:
        if dtype not in ("float32", "float16"):
            raise ClipbioError(f"vectors cannot be stored as '{dtype}'{nearest(dtype, ('float32', 'float16'))}")
        self._kind = DTYPES[dtype]
        self._file: BinaryIO = path.open("wb")
        self._file.write(bytes(_LENGTH_BYTES + _ROOM))
        self._others: dict[str, Array] = {}
        self.rows, self.dim = 0, 0

    def add(self, vectors_nD: Array) -> None:
        """Append rows; all have one number of dimensions."""
        if self.rows and vectors_nD.shape[1] != self.dim:
            raise ValueError(f"vectors of {vectors_nD.shape[1]} dimensions behind some of {self.dim}")
        self.rows, self.dim = self.rows + len(vectors_nD), vectors_nD.shape[1]
        self._file.write(np.ascontiguousarray(vectors_nD, _KINDS[self._kind]).data)

    def put(self, name: str, values: Array) -> None:
        """Set a further tensor."""
        self._others[name] = np.ascontiguousarray(values, _KINDS[DTYPES[values.dtype.name]])

    def __enter__(self) -> VectorFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._file:
            if error is None:
                self._finish()

    def _finish(self) -> None:
        size = self.rows * self.dim * _KINDS[self._kind].itemsize
        header: dict[str, Any] = {}
        header["vectors"] = {"dtype": self._kind, "shape": [self.rows, self.dim], "data_offsets": [0, size]}
        for name, values in self._others.items():
            entry = {"dtype": DTYPES[values.dtype.name], "shape": list(values.shape)}
            header[name] = {**entry, "data_offsets": [size, size + values.nbytes]}
            self._file.write(values.data)
            size += values.nbytes
        text = json.dumps(header).encode().ljust(_ROOM)
        if len(text) > _ROOM:
            raise ValueError(f"a header of {len(text)} bytes, there is room for {_ROOM}")
        self._file.seek(0)
        self._file.write(_ROOM.to_bytes(_LENGTH_BYTES, "little") + text)


def map_tensors(path: Path, remedy: str, *, writable: bool = False) -> dict[str, Array]:
    """Return the tensors of a file by name; they stay on the disk until they are read.

    Args:
        path: The file.
        remedy: What to do when it is damaged, for the message.
        writable: Whether they may be changed in memory, which torch asks of what it takes without copying.

    Raises:
        ClipbioError: The file is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        start, mode = _LENGTH_BYTES + length, "c" if writable else "r"
        return {name: _mapped(path, start, entry, mode) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClipbioError(f"{path} is damaged ({error}); {remedy}") from error


def _mapped(path: Path, start: int, entry: dict[str, Any], mode: Any) -> Array:
    begin, end = entry["data_offsets"]
    shape, kind = tuple(entry["shape"]), _KINDS[entry["dtype"]]
    if end - begin != int(np.prod(shape)) * kind.itemsize or start + end > path.stat().st_size:
        raise ValueError("it is cut off")
    if begin == end:
        return np.zeros(shape, kind)
    # Behind vectors of an odd length numbers may lie across words: those are copied.
    return np.require(np.memmap(path, kind, mode, offset=start + begin, shape=shape), requirements="A")
