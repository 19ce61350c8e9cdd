"""Rows of vectors in a safetensors file: written part by part, read where they are needed.

The safetensors library writes a file at once from memory; the form is simple enough to write it in order: the length of
a JSON header, the header, the tensors one behind the other (https://github.com/huggingface/safetensors).

Shape suffixes: C taxa, P probes, D dimensions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest

__all__ = ["DTYPES", "read_vectors", "write_header"]

Array = npt.NDArray[Any]

DTYPES = {"float32": "F32", "float16": "F16"}
_KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_LENGTH_BYTES = 8
_LONGEST_HEADER = 1 << 20


def write_header(file: BinaryIO, probes_PD: Array, count: int, dtype: str) -> None:
    """Begin a file of `probes` and `vectors`: what follows must be `count` rows of `dtype`."""
    if dtype not in DTYPES:
        raise ClipbioError(f"vectors cannot be stored as '{dtype}'{nearest(dtype, DTYPES)}")
    probes = np.ascontiguousarray(probes_PD, _KINDS["F32"])
    rows = count * probes.shape[1] * _KINDS[DTYPES[dtype]].itemsize
    header = {
        "probes": {"dtype": "F32", "shape": list(probes.shape), "data_offsets": [0, probes.nbytes]},
        "vectors": {
            "dtype": DTYPES[dtype],
            "shape": [count, probes.shape[1]],
            "data_offsets": [probes.nbytes, probes.nbytes + rows],
        },
    }
    text = json.dumps(header).encode()
    # Padded with spaces, so that the numbers lie where a processor reads them fast.
    text += b" " * (-len(text) % _LENGTH_BYTES)
    file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text + probes.tobytes())


def read_vectors(path: Path) -> tuple[Array, Array]:
    """Return probes_PD and vectors_CD, which stay on the disk until they are read.

    Raises:
        ClipbioError: The file is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        start = _LENGTH_BYTES + length
        probes, vectors = (_mapped(path, start, header[name]) for name in ("probes", "vectors"))
        return probes, vectors
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClipbioError(f"{path} is damaged ({error}); make the label set again") from error


def _mapped(path: Path, start: int, entry: dict[str, Any]) -> Array:
    begin, end = entry["data_offsets"]
    shape, kind = tuple(entry["shape"]), _KINDS[entry["dtype"]]
    if end - begin != int(np.prod(shape)) * kind.itemsize or start + end > path.stat().st_size:
        raise ValueError("it is cut off")
    # A private copy on write, which nobody writes to: torch takes it without copying.
    return np.memmap(path, kind, "c", offset=start + begin, shape=shape)
