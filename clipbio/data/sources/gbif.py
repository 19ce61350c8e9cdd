"""GBIF's simple export: called CSV, separated by tabs, without quotes and without addresses of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import given, text
from clipbio.data.sources.darwin_core import KEPT_TERMS, TAXON_TERMS, taxon_of
from clipbio.data.sources.delimited import Dialect
from clipbio.data.sources.export import ExportedTable
from clipbio.data.sources.pictures import Pictures, check_folder, pictures_state
from clipbio.data.sources.records import Ids, chosen, kept_columns, pictured
from clipbio.data.specimen import SpeciesText, Specimen

__all__ = ["GbifSource"]

_USED = frozenset({*TAXON_TERMS, "gbifID", "license", "rightsHolder", "mediaType"})


class GbifSource:
    """Read GBIF's simple export; its names are those GBIF interpreted.

    Args:
        root: The table, or the folder or zip file that holds it.
        images: Folder with the downloaded pictures, named `GBIFID` or `GBIFID_1`, `GBIFID_2` ... with any suffix.
        metadata: Columns that are kept as metadata; None keeps all that are not empty.
    """

    def __init__(
        self, root: str | Path, *, images: str | Path | None = None, metadata: Sequence[str] | None = KEPT_TERMS
    ) -> None:
        self.images = check_folder(images)
        self.defects = Defects()
        self._table = ExportedTable(
            Path(root),
            (".csv", ".tsv", ".txt"),
            Dialect(),
            known=[*_USED, *KEPT_TERMS],
            needed=[["gbifID"], ["scientificName"]],
        )
        self.metadata = kept_columns(metadata, self._table.columns, KEPT_TERMS, root)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, pictures = Ids(self.defects), Pictures(self.images, "id", self.defects)
        for where, cells in self._table.rows(self.defects):
            identity = text(cells["gbifID"])
            if not ids.claim(identity, where):
                continue
            record = self._record(identity, cells)
            # Without addresses there is only the number of pictures: `StillImage;StillImage`.
            count = cells.get("mediaType", "").count("StillImage")
            yield from pictured(record, [], pictures, where, ids, count=count)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the export holds no texts."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, the table, and name, size and time of each picture."""
        return self._table.digest((self.metadata, pictures_state(self.images)))

    def _record(self, identity: str, cells: dict[str, str]) -> Specimen:
        return Specimen(
            id=identity,
            taxon=taxon_of(cells),
            licence=given(cells.get("license")),
            rights_holder=given(cells.get("rightsHolder")),
            metadata=chosen(cells, self.metadata, _USED),
        )
