"""Numbers of an append: which rows its ids replace, and which number an image folder has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from clipbio.errors import ClipbioError
from clipbio.search.folder import IndexFolder
from clipbio.search.metadata import text_of
from clipbio.search.new_rows import NewRows
from clipbio.search.query import Array

__all__ = ["ImageFolders", "NewIds", "living"]


class NewIds:
    """The ids of an append: each new or, where that is wanted, in the place of a known one."""

    def __init__(self, known: Mapping[str, int], replaces: bool, path: Path) -> None:
        self._known, self._replaces, self._path = known, replaces, path
        self._seen: set[str] = set()
        self.replaced: list[int] = []

    def add(self, batch: NewRows) -> None:
        """Check a batch, and note in `replaced` the rows whose ids it takes."""
        for specimen in batch.specimens:
            id = text_of(specimen.id)
            if not id:
                raise ClipbioError("a specimen that is appended has no id: give each one of its own")
            if id in self._seen:
                raise ClipbioError(f"the id '{id}' comes twice in what is appended: ids must differ")
            self._seen.add(id)
            if id in self._known and not self._replaces:
                raise ClipbioError(f"the id '{id}' is in the index {self._path} already: replace=true replaces it")
            if id in self._known:
                self.replaced.append(self._known[id])


class ImageFolders:
    """Numbers of image folders."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {name: number for number, name in enumerate(names)}
        self._given: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        """Return the number of a folder."""
        if name not in self._given:
            # A command is run from another folder next time.
            self._given[name] = self.names.setdefault(str(Path(name).absolute()), len(self.names))
        return self._given[name]


def living(folder: IndexFolder) -> dict[str, int]:
    """Return the row of each id that was not deleted."""
    alive: Array = folder.alive_N
    return {id: row for row, id in enumerate(folder.rows.ids.to_pylist()) if alive[row]}
