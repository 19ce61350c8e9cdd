"""HDF5 files opened with care: what leaves the file, or could hold anything, is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipbio.errors import ClipbioError, nearest

if TYPE_CHECKING:
    import h5py

__all__ = ["integers", "open_hdf5", "pictures", "same_rows", "subgroup", "texts"]

_MAX_ROWS = 2**28
_MAX_TEXT = 2**20
_MAX_PICTURE = 2**26
# Reading one row of a chunked data set unpacks whole chunks.
_MAX_CHUNK = 2**28


def open_hdf5(path: Path) -> h5py.File:
    """Open a file to read."""
    try:
        import h5py
    except ImportError as error:
        raise ClipbioError(f"{path}: HDF5 needs h5py; pip install 'clipbio[hdf5]'") from error
    if not path.is_file():
        raise ClipbioError(f"{path} is no file; give the HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ClipbioError(f"{path} cannot be read as HDF5 ({_reason(error)})") from error


def subgroup(file: h5py.File, name: str) -> h5py.Group:
    """Return a group of the file by name."""
    import h5py

    found = _child(file, name)
    if not isinstance(found, h5py.Group):
        raise ClipbioError(f"{file.filename}: {found.name} is no group")
    return found


def texts(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the byte strings (N) called so: of fixed or of variable length, never other objects."""
    import h5py

    found = _dataset(group, name, dimensions=1)
    string = h5py.check_string_dtype(found.dtype)
    if string is None or (string.length or 0) > _MAX_TEXT:
        raise _refused(found, f"its type {found.dtype} is not text of at most {_MAX_TEXT} bytes")
    return found


def integers(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the whole numbers (N) called so."""
    found = _dataset(group, name, dimensions=1)
    if found.dtype.kind not in "iu":
        raise _refused(found, f"its type {found.dtype} is not a whole number")
    return found


def pictures(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the encoded pictures called so: bytes (N, Lmax), each padded to the longest."""
    found = _dataset(group, name, dimensions=2)
    if found.dtype != "uint8" or found.shape[1] > _MAX_PICTURE:
        raise _refused(found, f"{found.dtype} {found.shape} is not uint8 of at most {_MAX_PICTURE} bytes a row")
    return found


def same_rows(datasets: Sequence[h5py.Dataset]) -> int:
    """Return the number of rows that all of them have."""
    counts = {dataset.name: dataset.shape[0] for dataset in datasets}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ClipbioError(f"{datasets[0].file.filename}: the numbers of rows differ: {told}")
    return int(datasets[0].shape[0])


def _child(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    from h5py import h5l

    names = list(parent)
    where = f"{parent.file.filename}: {parent.name}"
    if name not in names:
        raise ClipbioError(f"{where} has no '{name}'{nearest(name, names)}")
    # Asked of the link itself: following an external one would open the other file.
    if parent.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
        raise ClipbioError(f"{where}: '{name}' is a link to another place, which is not followed; copy the data in")
    return parent[name]


def _dataset(group: h5py.Group, name: str, *, dimensions: int) -> h5py.Dataset:
    import h5py

    found = _child(group, name)
    if not isinstance(found, h5py.Dataset):
        raise ClipbioError(f"{group.file.filename}: {found.name} is no data set")
    if found.external or found.is_virtual:
        raise _refused(found, "its data lie in other files, which are not opened; copy them in")
    if found.shape is None or len(found.shape) != dimensions or found.shape[0] > _MAX_ROWS:
        raise _refused(found, f"its shape {found.shape} is not {dimensions} axes of at most {_MAX_ROWS} rows")
    if found.chunks and math.prod(found.chunks) * found.dtype.itemsize > _MAX_CHUNK:
        raise _refused(found, f"its chunks {found.chunks} are larger than {_MAX_CHUNK} bytes")
    return found


def _refused(dataset: h5py.Dataset, why: str) -> ClipbioError:
    return ClipbioError(f"{dataset.file.filename}: {dataset.name} is refused: {why}")


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
