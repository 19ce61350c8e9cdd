"""An index as it is read: one snapshot, whatever a writer does meanwhile.

Shape suffixes: N rows, deleted ones included; D dimensions.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from clipbio.errors import ClipbioError
from clipbio.search.arrow import numpy_of, read_table
from clipbio.search.images import PictureFile, read_original
from clipbio.search.manifest import MANIFEST, Manifest, Piece
from clipbio.search.query import Array
from clipbio.search.rows import Rows
from clipbio.search.sheets import Sheets
from clipbio.search.texts import DAMAGED, Texts
from clipbio.search.vectors import Block, Vectors
from clipbio.taxonomy import Taxon
from clipbio.tensor_files import map_tensors

__all__ = ["DELETED_ROWS", "MODALITIES", "PICTURES", "ROWS", "IndexFolder", "vector_file"]

ROWS, PICTURES, DELETED_ROWS = "rows.parquet", "pictures.bin", "rows.parquet"
MODALITIES = ("image", "dna")
_TRIES = 5


def vector_file(modality: str) -> str:
    """Name the file of the vectors of a modality."""
    return f"{modality}.safetensors"


class IndexFolder:
    """Rows, vectors, texts and pictures of an index. May be read by several threads at once.

    Made by `IndexFolder.open`. All files are opened at once: what a writer removes later can still be read, except for
    the words (`texts.lexical_path`), which are to be loaded soon.

    Args:
        path: The folder.
        manifest: The snapshot.

    Raises:
        ClipbioError: A file is missing or damaged.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest
        parts = [path / part.folder for part in manifest.parts]
        self.rows = Rows([pq.ParquetFile(part / ROWS, memory_map=True) for part in parts])
        counts = [int(part.facts["rows"]) for part in manifest.parts]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        """Number of the first row of each part, and of all rows."""
        if not self.starts[-1] == len(self.rows) == manifest.rows or (manifest.rows and manifest.texts is None):
            raise ClipbioError(f"{path / MANIFEST} does not go with the files of the index; {DAMAGED}")
        self._vectors = {modality: self._blocks(modality) for modality in manifest.modalities}
        self._pictures = [PictureFile(part / PICTURES) if (part / PICTURES).is_file() else None for part in parts]
        self.texts = Texts.read(path / manifest.texts.folder) if manifest.texts else Texts.empty()
        self.alive_N = np.ones(manifest.rows, bool)
        """Which rows were not deleted (N,)."""
        if manifest.deleted:
            self.alive_N[numpy_of(read_table(path / manifest.deleted.folder / DELETED_ROWS)["row"])] = False

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> IndexFolder:
        """Open an index.

        Args:
            path: Its folder.
            verify: Whether the hash of every file is compared with that in the manifest; sizes always are.

        Raises:
            ClipbioError: It is none, comes from another version, or is damaged.
        """
        folder = Path(path).expanduser()
        manifest = Manifest.read(folder)
        for attempt in range(_TRIES):
            try:
                manifest.check(folder, content=verify)
                return cls(folder, manifest)
            except (ClipbioError, OSError, ValueError, KeyError) as error:
                # A writer may have removed what the manifest named when it was read: then there is a newer one.
                newer = Manifest.read(folder)
                if newer == manifest or attempt == _TRIES - 1:
                    raise error if isinstance(error, ClipbioError) else _damaged(folder, error) from error
                manifest = newer
        raise AssertionError

    def __len__(self) -> int:
        return self.manifest.rows

    def vectors(self, modality: str) -> Vectors | None:
        """Return the vectors of `image` or `dna`, None if no row has one."""
        return self._vectors.get(modality)

    @cached_property
    def group_N(self) -> Array:
        """Return the group of each row, int32 (N,)."""
        return numpy_of(self.rows.column("group"))

    @cached_property
    def taxon_N(self) -> Array:
        """Return for each row the place of its taxon in `taxa`, int32 (N,)."""
        taxon_N: Array = self.texts.groups.taxon_G[self.group_N]
        return taxon_N

    @property
    def taxa(self) -> tuple[Taxon, ...]:
        """Return the distinct taxa; one of them may be empty."""
        return self.texts.groups.taxa

    @cached_property
    def sheets(self) -> Sheets | None:
        """Return which rows are views of one sheet, None where every row is one of its own."""
        return Sheets.of(self.rows, self.alive_N)

    def once(self, mask_N: Array) -> Array:
        """Leave of the rows of each sheet that a mask (N,) lets through one: what is counted are specimens."""
        return mask_N if self.sheets is None else self.sheets.once(mask_N)

    def row_of(self, id: str) -> int | None:
        """Return the row of an id, None if there is none that was not deleted."""
        rows = self.rows.rows_of(id)
        rows = rows[self.alive_N[rows]]
        return int(rows[0]) if len(rows) else None

    def picture(self, row: int) -> bytes | None:
        """Return the small picture of a row, None without one."""
        offset, length = (self.rows.column(f"picture_{name}")[row].as_py() for name in ("offset", "length"))
        file = self._pictures[int(np.searchsorted(self.starts, row, side="right")) - 1]
        return file.read(offset, length) if file is not None and length else None

    def original(self, row: int) -> bytes | None:
        """Return the full picture of a row, None unless it lies in its image folder and is not too large."""
        names = ("image_folder", "image_file", "image_offset", "image_length")
        folder, name, offset, length = (self.rows.column(column)[row].as_py() for column in names)
        if not 0 <= folder < len(self.manifest.image_folders) or not name:
            return None
        return read_original(self.manifest.image_folders[folder], name, offset, length)

    def _blocks(self, modality: str) -> Vectors:
        blocks = []
        for start, part in zip(self.starts[:-1], self.manifest.parts, strict=True):
            if vector_file(modality) in part.files:
                blocks.append(self._block(part, modality, int(start)))
        return Vectors(blocks, self.manifest.rows)

    def _block(self, part: Piece, modality: str, start: int) -> Block:
        path = self.path / part.folder / vector_file(modality)
        tensors = map_tensors(path, DAMAGED)
        if tensors["vectors"].shape != (len(tensors["rows"]), self.manifest.dim):
            raise ClipbioError(f"{path} does not go with the manifest; {DAMAGED}")
        return Block(tensors["rows"] + start, tensors["vectors"])


def _damaged(folder: Path, error: Exception) -> ClipbioError:
    told = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
    return ClipbioError(f"the index {folder} cannot be read ({told}): {DAMAGED}")
