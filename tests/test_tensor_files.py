"""Vectors written row by row are a safetensors file, and are mapped where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from clipbio.errors import ClipbioError
from clipbio.tensor_files import VectorFile, map_tensors

VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)


def write(path: Path, dtype: str = "float32") -> None:
    with VectorFile(path, dtype) as file:
        file.add(VECTORS[:2])
        file.add(VECTORS[2:])
        file.put("rows", np.arange(5))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_safetensors_reads_it_and_so_do_we(tmp_path: Path, dtype: str) -> None:
    write(tmp_path / "x.safetensors", dtype)
    theirs, ours = load_file(tmp_path / "x.safetensors"), map_tensors(tmp_path / "x.safetensors", "make it again")
    for tensors in (theirs, ours):
        assert tensors["vectors"].dtype == np.dtype(dtype)
        assert np.array_equal(tensors["vectors"], VECTORS)
        assert np.array_equal(tensors["rows"], np.arange(5))
    # 15 numbers of 2 or 4 bytes: what follows begins in the middle of a word.
    assert ours["rows"].flags.aligned
    assert isinstance(ours["vectors"], np.memmap)
    assert not ours["vectors"].flags.writeable


def test_a_file_may_hold_nothing(tmp_path: Path) -> None:
    with VectorFile(tmp_path / "x"):
        pass
    assert map_tensors(tmp_path / "x", "")["vectors"].shape == (0, 0)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, keep: int) -> None:
    write(tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(content[:keep])
    with pytest.raises(ClipbioError, match=r"x.safetensors is damaged .*; make it again"):
        map_tensors(tmp_path / "x.safetensors", "make it again")


def test_a_writer_that_breaks_off_leaves_no_file_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), VectorFile(tmp_path / "x") as file:
        file.add(VECTORS / (1 // 0))
    with pytest.raises(ClipbioError, match="damaged"):
        map_tensors(tmp_path / "x", "")


def test_an_unknown_dtype_is_told() -> None:
    with pytest.raises(ClipbioError, match="cannot be stored as 'float8'; did you mean 'float"):
        VectorFile(Path("x"), "float8")
