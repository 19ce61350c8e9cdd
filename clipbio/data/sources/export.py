"""Exported tables with a header: one text file, plain, gzipped or in a zip file, its columns known by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.archive import find_export
from clipbio.data.sources.delimited import DelimitedFile, Dialect
from clipbio.errors import ClipbioError

__all__ = ["ExportedTable"]


class ExportedTable:
    """A table whose columns are known by their names, in whatever case.

    Args:
        root: The file, or a folder or zip file with one such file.
        suffixes: What the name of the file ends with.
        dialect: How it is written.
        known: Names of columns as the caller spells them.
        needed: For each needed column the names it goes by; one of them must be there.
    """

    def __init__(
        self,
        root: Path,
        suffixes: tuple[str, ...],
        dialect: Dialect,
        *,
        known: Sequence[str],
        needed: Sequence[Sequence[str]],
    ) -> None:
        if not root.exists():
            raise ClipbioError(f"{root} is not there; give the exported file, or the folder or zip file that holds it")
        self.file = DelimitedFile(*find_export(root, suffixes), dialect)
        spelled = {name.lower(): name for name in known}
        self.columns = tuple(spelled.get(name.lower(), name) for name in self.file.header())
        for names in needed:
            if not set(names) & set(self.columns):
                told, first = " or ".join(f"'{name}'" for name in names), ", ".join(self.columns[:6])
                raise ClipbioError(f"{root}: {self.file.name} has no column {told}; its first columns are: {first}")

    def rows(self, defects: Defects) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield place and cells of each row; of two columns of one name the first counts."""
        names = self.columns[::-1]
        for number, cells in self.file.rows(defects):
            yield self.file.where(number), {name: cell for name, cell in zip(names, cells[::-1]) if name}

    def digest(self, settings: object) -> str:
        """Hash the content of the file and some settings."""
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        with self.file.open() as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest()
