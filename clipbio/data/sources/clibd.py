"""CLIBD's HDF5 file: BIOSCAN-1M or BIOSCAN-5M with one group for each split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.data.defects import Defects
from clipbio.data.sources import hdf5
from clipbio.data.sources.cells import has_bases, text
from clipbio.data.sources.provisional import determination
from clipbio.data.sources.published_splits import HOUSE_SPLITS
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_state

if TYPE_CHECKING:
    import h5py

__all__ = ["ClibdSource", "disjoint_groups"]

_TEXTS = ("barcode", "order", "family", "genus", "species", "sampleid", "processid", "image_file")
_BYTES_PER_BATCH = 2**24
_ROWS_PER_BATCH = 4096


def disjoint_groups(present: Iterable[str]) -> tuple[str, ...]:
    """Return those groups of a file that hold each record once, without `other_heldout`.

    `all_keys` repeats the groups of keys. `no_split_and_seen_train` is what it says, and in BIOSCAN-5M, which
    `unseen_keys` gives away, `seen_keys` is its train split again.
    """
    present = set(present)
    left_out = {"all_keys", "other_heldout"}
    if "no_split_and_seen_train" in present:
        left_out |= {"no_split", "single_species", "train_seen"}
        left_out |= {"seen_keys"} if "unseen_keys" in present else set()
    return tuple(name for name in HOUSE_SPLITS if name in present - left_out)


@dataclass(frozen=True)
class _Group:
    name: str
    images: h5py.Dataset
    lengths: h5py.Dataset
    texts: Mapping[str, h5py.Dataset]
    rows: int

    @classmethod
    def open(cls, file: h5py.File, name: str) -> _Group:
        group = hdf5.subgroup(file, name)
        names = [column for column in _TEXTS if column in list(group)]
        if not {"processid", "sampleid"} & set(names):
            raise ClipbioError(f"{file.filename}: {group.name} has neither processid nor sampleid")
        texts = {column: hdf5.texts(group, column) for column in names}
        images, lengths = hdf5.pictures(group, "image"), hdf5.integers(group, "image_mask")
        return cls(name, images, lengths, texts, hdf5.same_rows([images, lengths, *texts.values()]))

    def cells(self) -> Iterator[tuple[int, dict[str, str], int]]:
        """Yield row, texts and byte length of each record."""
        width = max(_width(column) for column in self.texts.values())
        step = max(1, min(_ROWS_PER_BATCH, _BYTES_PER_BATCH // width))
        for start in range(0, self.rows, step):
            part = slice(start, start + step)
            lengths = self.lengths[part].tolist()
            columns = {name: column[part].tolist() for name, column in self.texts.items()}
            for offset, length in enumerate(lengths):
                yield start + offset, {name: _decoded(cells[offset]) for name, cells in columns.items()}, length


class ClibdSource:
    """Read CLIBD's HDF5 file; pictures are read one by one when they are wanted.

    The id is the process id, or the sample id where there is none (BIOSCAN-1M). Rows count from 0.
    Source: Gong et al. 2024, arXiv:2405.17537.

    Args:
        path: The file.
        groups: Groups to read, each a published split, in this order; None means those that hold each record once,
            without `other_heldout`. A record that stands in several is kept where it comes first.
    """

    def __init__(self, path: str | Path, *, groups: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        self.defects = Defects()
        file = hdf5.open_hdf5(self.path)
        try:
            names = disjoint_groups(file) if groups is None else tuple(groups)
            if unknown := next((name for name in names if name not in HOUSE_SPLITS), ""):
                known = [name for name in file if name in HOUSE_SPLITS]
                raise ClipbioError(f"'{unknown}' is no published split{nearest(unknown, known)}")
            self._groups = [_Group.open(file, name) for name in dict.fromkeys(names)]
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise self._damaged(error) from error
        if not self._groups:
            raise ClipbioError(f"{self.path} has no group of a published split; it has: {', '.join(file) or 'none'}")

    @cached_property
    def total(self) -> int:
        """Count the rows of the groups that are read."""
        return sum(group.rows for group in self._groups)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        places: dict[str, int] = {}
        start = 0
        for group in self._groups:
            try:
                yield from self._specimens(group, start, places)
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                raise self._damaged(error) from error
            start += group.rows

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the file has no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash size and time of the file, and the groups that are read."""
        groups = [(group.name, group.rows) for group in self._groups]
        return hashlib.blake2b(f"{file_state(self.path)}:{groups}".encode(), digest_size=16).hexdigest()

    def _specimens(self, group: _Group, start: int, places: dict[str, int]) -> Iterator[Specimen]:
        for row, cells, length in group.cells():
            where = f"{self.path.name} {group.name} row {row}"
            identity = cells.get("processid") or cells.get("sampleid", "")
            if identity in places and places[identity] < start:
                self.defects.add(
                    "repeated_record", where, f"'{identity}' is already in an earlier group", skipped=False
                )
                continue
            if unusable := _unusable(identity, length, group, places, start, cells):
                self.defects.add(unusable[0], where, unusable[1])
                continue
            if not length:
                self.defects.add("missing_image", where, "the image has no bytes; its barcode is kept", skipped=False)
            places[identity] = start + row
            yield _specimen(identity, cells, group, partial(_picture, group.images, row, length) if length else None)

    def _damaged(self, error: Exception) -> ClipbioError:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return ClipbioError(f"{self.path} is damaged ({reason}); get it again")


def _unusable(
    identity: str, length: int, group: _Group, places: Mapping[str, int], start: int, cells: Mapping[str, str]
) -> tuple[str, str] | None:
    if not identity:
        return "missing_id", "processid and sampleid are empty"
    if identity in places:
        return "duplicate_id", f"'{identity}' is already the id of row {places[identity] - start}"
    if not 0 <= length <= group.images.shape[1]:
        return "broken_image", f"its byte length {length} does not fit in {group.images.shape[1]}"
    if not length and not has_bases(cells.get("barcode", "")):
        return "no_image_no_dna", "neither image nor barcode is given"
    return None


def _specimen(identity: str, cells: Mapping[str, str], group: _Group, image: Any) -> Specimen:
    taxon, label = determination({**cells, "kingdom": "Animalia"})
    kept = {name: cells[name] for name in ("sampleid", "image_file") if cells.get(name) and cells[name] != identity}
    return Specimen(
        id=identity,
        taxon=taxon,
        label=label,
        image=image,
        dna=cells.get("barcode", ""),
        split=HOUSE_SPLITS[group.name],
        metadata=kept | {"published_split": group.name},
    )


def _picture(images: h5py.Dataset, row: int, length: int) -> bytes:
    try:
        return bytes(images[row, :length].tobytes())
    except (RuntimeError, ValueError, KeyError) as error:  # as which h5py reports damage, beside OSError
        raise OSError(f"{images.file.filename} {images.name} row {row} cannot be read ({error})") from error


def _width(texts: h5py.Dataset) -> int:
    # How long strings of variable length are is not told beforehand: a few hundred at a time.
    return int(texts.dtype.itemsize) if texts.dtype.kind == "S" else _BYTES_PER_BATCH // 256


def _decoded(cell: bytes | str) -> str:
    return text(cell.decode("utf-8", "replace").strip("\0") if isinstance(cell, bytes) else cell)
