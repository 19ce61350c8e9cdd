"""A split that was made elsewhere, or once for all: a table of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clipbio.data.defects import Defects, Finding
from clipbio.data.manifest import SPLITS
from clipbio.data.sources.cells import text
from clipbio.data.sources.published_splits import HOUSE_SPLITS
from clipbio.data.sources.tabular import TabularFile
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.records import Records, id_hash
from clipbio.data.splitting.scheme import PUBLISHED, Assignment, LeftOut
from clipbio.errors import ClipbioError, nearest
from clipbio.files import file_hash

__all__ = ["SplitTable"]


class SplitTable:
    """Take splits from a table with the columns `specimen_id` and `split`, optionally `published_split`.

    The names of splits that BIOSCAN and CLIBD published are understood, and kept as the published ones.

    Args:
        file: A .csv, .csv.gz, .tsv, .tsv.gz or .parquet, such as `python -m clipbio split` writes.
        missing: Split of the records that the table does not name; null leaves them out. Either way they are counted.
    """

    keys: tuple[str, ...] = ()
    spelled: tuple[str, ...] = ()
    readers: Mapping[str, Callable[[Specimen], str]] = {}

    def __init__(self, file: str | Path, *, missing: str | None = None) -> None:
        self.path = Path(file).expanduser()
        if not self.path.is_file():
            raise ClipbioError(f"split.file: {self.path} is not there; make it with 'python -m clipbio split'")
        if missing is not None and missing not in SPLITS:
            raise ClipbioError(f"split.missing='{missing}' is no split{nearest(missing, SPLITS)}")
        self.missing = missing
        self._table = TabularFile(self.path, required=["specimen_id", "split"])

    def assign(self, records: Records) -> Assignment:
        """Look every record up."""
        found = [self._rows.get(hashed) for hashed in records.id_N.tolist()]
        splits = [row[0] if row else self.missing or "" for row in found]
        left_out = LeftOut("no_split", f"it is not in {self.path.name}")
        own_words = PUBLISHED in self._table.columns or any(house != told for house, told in self._rows.values())
        published = [row[1] if row else "" for row in found] if own_words else None
        return Assignment(splits, left_out=left_out, published=published, findings=[*self._findings(records)])

    def describe(self) -> dict[str, Any]:
        """Return the content of the table as a hash."""
        return {"scheme": "file", "file": self.path.name, "sha256": file_hash(self.path), "missing": self.missing}

    @cached_property
    def _rows(self) -> dict[int, tuple[str, str]]:
        rows: dict[int, tuple[str, str]] = {}
        broken = Defects()
        for number, cells in self._table.rows(broken):
            identity, split = text(cells["specimen_id"]), str(cells["split"] or "").strip()
            house = HOUSE_SPLITS.get(split, split)
            if house not in SPLITS:
                raise ClipbioError(f"{self.path}: row {number} has the unknown split '{split}'{nearest(split, SPLITS)}")
            row = (house, text(cells.get(PUBLISHED)) or split)
            if rows.setdefault(id_hash(identity), row) != row:
                raise ClipbioError(f"{self.path}: row {number} gives '{identity}' a second, different split")
        if broken:
            raise ClipbioError(f"{self.path}: {broken.summary()}; a split table must be whole")
        return rows

    def _findings(self, records: Records) -> Iterator[Finding]:
        hashes = np.fromiter(self._rows, np.int64, len(self._rows))
        unknown = set(hashes[~np.isin(hashes, records.id_N)].tolist())
        if unknown:
            for number, cells in self._table.rows(Defects()):
                if id_hash(text(cells["specimen_id"])) in unknown:
                    yield Finding(
                        "unknown_id", self._table.where(number), f"no record has the id '{cells['specimen_id']}'"
                    )
        if self.missing is not None and (absent := int((~np.isin(records.id_N, hashes)).sum())):
            message = f"{absent} records are not in it and went to {self.missing}"
            yield Finding("no_split", self.path.name, message)
