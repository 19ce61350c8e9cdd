"""BOLD: barcodes as the Barcode Core Data Model (BCDM) writes them, and as the portal's older public export did."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import given, is_sequence, text
from clipbio.data.sources.darwin_core import split_media
from clipbio.data.sources.delimited import Dialect
from clipbio.data.sources.export import ExportedTable
from clipbio.data.sources.pictures import Medium, NamedBy, Pictures, check_folder, pictures_state
from clipbio.data.sources.provisional import determination
from clipbio.data.sources.records import Ids, chosen, kept_columns, pictured
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.taxonomy import RANKS

__all__ = ["KEPT_COLUMNS", "BoldSource"]

logger = logging.getLogger(__name__)

KEPT_COLUMNS = (
    *("sampleid", "museumid", "record_id", "inst", "collectors", "collection_date_start", "country/ocean"),
    *("province/state", "region", "site", "coord", "habitat", "sex", "life_stage", "voucher_type", "insdc_acs"),
    *("marker_code", "identification", "identification_rank", "identified_by", "identification_method"),
    *("notes", "short_note", "sequence_run_site", "bold_recordset_code_arr"),
)
"""Columns that are kept as metadata by default; those of the older export are kept under these names."""

_OLDER = {
    "nucleotides": "nuc",
    "nucraw": "nuc",
    "markercode": "marker_code",
    "recordID": "record_id",
    "catalognum": "museumid",
    "institution_storing": "inst",
    "collectiondate_start": "collection_date_start",
    "country": "country/ocean",
    "province_state": "province/state",
    "exactsite": "site",
    "lifestage": "life_stage",
    "genbank_accession": "insdc_acs",
    "gb_acs": "insdc_acs",
    "identification_provided_by": "identified_by",
    "copyright_licenses": "licence",
    "copyright_holders": "rights_holder",
} | {f"{rank}_name": rank for rank in RANKS[1:]}
_USED = frozenset({*RANKS, "nuc", "bin_uri", "processid", "image_urls", "licence", "rights_holder"})


class BoldSource:
    """Read barcodes, one row per sequence; the pictures of their specimens where they were downloaded.

    Args:
        root: The TSV file, or the folder or zip file that holds it.
        images: Folder with downloaded pictures.
        images_named_by: Whether they are named by process `id` or by the `address` in `image_urls`.
        marker: Marker whose rows are read; None reads all, and then an id occurs once for each of its markers.
        encoding: Encoding of the file; the older export is windows-1252.
        metadata: Columns that are kept as metadata; None keeps all that are not empty.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        images: str | Path | None = None,
        images_named_by: NamedBy = "id",
        marker: str | None = "COI-5P",
        encoding: str = "utf-8",
        metadata: Sequence[str] | None = KEPT_COLUMNS,
    ) -> None:
        self.images, self.marker = check_folder(images, images_named_by), marker
        self.defects, self.named_by = Defects(), images_named_by
        self._encoding = encoding
        self._table = ExportedTable(
            Path(root),
            (".tsv", ".txt"),
            Dialect(encoding=encoding),
            known=[*_USED, *KEPT_COLUMNS, *_OLDER],
            needed=[["processid"], ["nuc", "nucleotides", "nucraw"]],
        )
        self.metadata = kept_columns(
            metadata, (_OLDER.get(name, name) for name in self._table.columns), KEPT_COLUMNS, root
        )

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, pictures, others = Ids(self.defects), Pictures(self.images, self.named_by, self.defects), 0
        for where, raw in self._table.rows(self.defects):
            row = _row(raw)
            marker = row.get("marker_code", "")
            if self.marker and marker and marker.upper() != self.marker.upper():
                others += 1
                continue
            identity = row["processid"] if self.marker or not marker else f"{row['processid']}.{marker}"
            if self._has_sound_barcode(row, where) and ids.claim(identity if row["processid"] else "", where):
                media = self._media(row)
                yield from pictured(self._record(identity, row), media, pictures, where, ids, key=row["processid"])
        if others:
            logger.info("%s: %d rows of other markers than %s left out", self._table.file.name, others, self.marker)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the export holds no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, the table, and name, size and time of each picture."""
        return self._table.digest(
            (self.marker, self.named_by, self._encoding, self.metadata, pictures_state(self.images))
        )

    def _has_sound_barcode(self, row: Mapping[str, str], where: str) -> bool:
        if not row["nuc"] or is_sequence(row["nuc"]):
            return True
        self.defects.add("bad_barcode", where, f"'{row['nuc'][:20]}' is no sequence of nucleotides")
        return False

    def _media(self, row: Mapping[str, str]) -> list[Medium]:
        """Return the pictures of a row, none where nothing was downloaded: a barcode is a record without them."""
        if self.images is None or self.named_by == "id":
            return []
        return [Medium((url,), metadata={"image_url": url}) for url in split_media(row.get("image_urls"))]

    def _record(self, identity: str, row: Mapping[str, str]) -> Specimen:
        species = row.get("species", "")
        if not species and row.get("identification_rank", "").lower() in ("species", "subspecies"):
            species = row.get("identification", "")
        taxon, label = determination({**row, "species": species})
        return Specimen(
            id=identity,
            taxon=taxon,
            label=label,
            dna=row["nuc"],
            bin=given(row.get("bin_uri")),
            group_id=row.get("sampleid", ""),
            licence=given(row.get("licence")),
            rights_holder=given(row.get("rights_holder")),
            metadata=chosen(row, self.metadata, _USED),
        )


def _row(raw: Mapping[str, str]) -> dict[str, str]:
    """Return the cells under the names of the BCDM; its missing values are written `None`."""
    row = {name: "" if (value := text(told)) == "None" else value for name, told in raw.items()}
    for older, name in _OLDER.items():
        if older in row:
            row[name] = row.get(name) or row.pop(older)
    return row
