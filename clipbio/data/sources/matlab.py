"""MATLAB's `.mat` files: arrays of numbers and cell arrays of texts, nothing else is read out of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.io
from scipy.io.matlab import MatReadError, matfile_version

from clipbio.errors import ClipbioError, nearest

__all__ = ["MatFile"]

# What the two readers raise of damaged files.
_BROKEN = (
    MatReadError, OSError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, zlib.error, MemoryError,
)  # fmt: skip
_HDF5 = 2  # major version of MATLAB 7.3


class MatFile:
    """The variables of a `.mat` file, each read when it is asked for.

    Args:
        path: The file; version 7.3, which is HDF5, needs h5py.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ClipbioError(f"{path} is not there; give the folder that holds {path.name}")
        self._hdf5 = self._opened() if self._is_hdf5() else None
        self.names = self._read_names()

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """Return an array of numbers, in MATLAB's shape.

        Raises:
            ClipbioError: There is no such variable, or it is something else.
        """
        values = self._variable(name)
        if values.dtype.kind not in "iufb":
            raise ClipbioError(f"{self.path}: '{name}' is no array of numbers but {values.dtype}")
        return values

    def whole_numbers(self, name: str) -> npt.NDArray[np.int64]:
        """Return a list of whole numbers, whatever its orientation."""
        values = self.numbers(name).reshape(-1)
        whole: npt.NDArray[np.int64] = values.astype(np.int64)
        if not (whole == values).all():
            raise ClipbioError(f"{self.path}: '{name}' holds numbers that are not whole")
        return whole

    def texts(self, name: str) -> list[str]:
        """Return a list of texts: a cell array of strings or numbers in any orientation, or rows of characters."""
        values = self._variable(name)
        if values.dtype.kind == "U":
            return [str(one).strip() for one in values.reshape(-1)]
        if values.dtype.kind != "O":
            raise ClipbioError(f"{self.path}: '{name}' is no cell array of texts but {values.dtype}")
        return [self._text(name, cell) for cell in values.reshape(-1)]

    def _text(self, name: str, cell: Any) -> str:
        value = self._followed(cell)
        if value.dtype.kind == "U":
            return "".join(map(str, value.reshape(-1))).strip()
        if value.size == 0:
            return ""
        if self._hdf5 is not None and value.dtype == np.uint16:
            return "".join(map(chr, value.reshape(-1).tolist())).strip()
        if value.size == 1 and value.dtype.kind in "iuf":
            return f"{value.item():g}" if float(value.item()).is_integer() is False else str(int(value.item()))
        raise ClipbioError(f"{self.path}: a cell of '{name}' is no text but {value.dtype} {value.shape}")

    def _followed(self, cell: Any) -> npt.NDArray[Any]:
        if self._hdf5 is None:
            return np.asarray(cell)
        with self._told():
            found = self._hdf5[cell]
            # An empty array is stored as its shape.
            return np.zeros(0) if "MATLAB_empty" in found.attrs else np.asarray(found[()])

    def _variable(self, name: str) -> npt.NDArray[Any]:
        if name not in self.names:
            raise ClipbioError(f"{self.path} has no variable '{name}'{nearest(name, self.names)}")
        with self._told():
            if self._hdf5 is not None:
                return np.asarray(self._hdf5[name][()]).T
            return np.asarray(scipy.io.loadmat(self.path, variable_names=[name])[name])

    def _read_names(self) -> list[str]:
        with self._told():
            if self._hdf5 is not None:
                return [name for name in self._hdf5 if not name.startswith("#")]
            return [name for name, _, _ in scipy.io.whosmat(self.path)]

    def _is_hdf5(self) -> bool:
        with self._told():
            return bool(matfile_version(self.path, appendmat=False)[0] == _HDF5)

    def _opened(self) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise ClipbioError(
                f"{self.path} is of MATLAB 7.3, which needs h5py; pip install 'clipbio[hdf5]'"
            ) from error
        with self._told():
            return h5py.File(self.path, "r")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line what is wrong with a file that cannot be read."""
        try:
            yield
        except _BROKEN as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ClipbioError(f"{self.path} cannot be read as a MATLAB file ({reason}); get it again") from error
