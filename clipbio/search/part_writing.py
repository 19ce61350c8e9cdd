"""Writing a part of an index: rows, vectors and small pictures, a batch at a time.

Shape suffixes: B rows of one batch, n those with a vector, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError
from clipbio.search.folder import MODALITIES, PICTURES, ROWS, vector_file
from clipbio.search.metadata import unified
from clipbio.search.new_rows import META, NewRows, row_table
from clipbio.search.query import Array
from clipbio.search.vectors import unit
from clipbio.tensor_files import VectorFile

__all__ = ["PartWriter"]


class PartWriter:
    """A folder of rows that is being written; a context. Rows are held until its end, vectors and pictures are not.

    Args:
        folder: An empty folder.
        dim: Number of dimensions of all vectors, 0 if the first one tells it.
    """

    def __init__(self, folder: Path, dim: int = 0) -> None:
        self._folder, self.dim = folder, dim
        self._files = ExitStack()
        self._tables: list[pa.Table] = []
        self._vectors: dict[str, tuple[VectorFile, list[Array]]] = {}
        self._pictures = self._files.enter_context((folder / PICTURES).open("wb"))
        self.rows = 0

    @property
    def vectors(self) -> dict[str, int]:
        """Return how many vectors there are of each modality."""
        return {modality: file.rows for modality, (file, _) in self._vectors.items()}

    def add(self, batch: NewRows, groups: Sequence[int], folders: Callable[[str], int]) -> None:
        """Append a batch; `groups` are the numbers of the groups of its rows, `folders` numbers image folders.

        Raises:
            ClipbioError: Its vectors have another length than those before, or are not finite.
        """
        offsets = [self.add_picture(picture) for picture in batch.pictures] or [0] * len(groups)
        self.add_table(row_table(batch, groups, folders, offsets))
        for modality, (mask_B, vectors_nD) in batch.vectors.items():
            rows_n = np.flatnonzero(mask_B) + self.rows - len(groups)
            if len(rows_n):
                names = [
                    f"'{specimen.id}' ({modality})"
                    for specimen, has in zip(batch.specimens, mask_B, strict=True)
                    if has
                ]
                self.add_vectors(modality, rows_n, unit(vectors_nD, names))

    def add_table(self, table: pa.Table) -> None:
        """Append rows as they are."""
        self._tables.append(table)
        self.rows += table.num_rows

    def add_vectors(self, modality: str, rows_n: Array, vectors_nD: Array) -> None:
        """Append unit vectors of some rows; numbers are ascending, in this part."""
        if modality not in MODALITIES:
            raise ValueError(modality)
        self.dim = self.dim or vectors_nD.shape[1]
        if vectors_nD.shape[1] != self.dim:
            raise ClipbioError(
                f"vectors of {modality} have {vectors_nD.shape[1]} dimensions, others of this index {self.dim}: "
                "all need one model with one space"
            )
        if modality not in self._vectors:
            file = self._files.enter_context(VectorFile(self._folder / vector_file(modality)))
            self._vectors[modality] = file, []
        file, numbers = self._vectors[modality]
        file.add(vectors_nD)
        numbers.append(rows_n)

    def add_picture(self, picture: bytes | None) -> int:
        """Append a small picture, and return where it begins."""
        offset = self._pictures.tell()
        self._pictures.write(picture or b"")
        return offset

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file, numbers in self._vectors.values():
            file.put("rows", np.concatenate(numbers).astype(np.int64))
        self._files.__exit__(kind, error, at)
        if error is None and self._tables:
            pq.write_table(
                unified(self._tables, lambda name: name.startswith(META)), self._folder / ROWS, compression="zstd"
            )
