"""iNaturalist's export of observations: a CSV file with one picture per observation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clipbio.data.defects import Defects
from clipbio.data.sources.cells import given, text, texts
from clipbio.data.sources.darwin_core import taxon_of
from clipbio.data.sources.delimited import Dialect
from clipbio.data.sources.export import ExportedTable
from clipbio.data.sources.pictures import Medium, NamedBy, Pictures, check_folder, pictures_state
from clipbio.data.sources.records import Ids, chosen, kept_columns, pictured
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["KEPT_COLUMNS", "InaturalistSource"]

KEPT_COLUMNS = (
    *("uuid", "url", "observed_on", "quality_grade", "captive_cultivated", "place_guess", "latitude", "longitude"),
    *("user_id", "user_login", "scientific_name", "species_guess", "taxon_id", "tag_list", "description"),
)
"""Columns that are kept as metadata by default."""

_KINGDOMS = {name: name for name in ("Animalia", "Chromista", "Fungi", "Plantae", "Protozoa")} | dict.fromkeys(
    ("Actinopterygii", "Amphibia", "Arachnida", "Aves", "Insecta", "Mammalia", "Mollusca", "Reptilia"), "Animalia"
)
_RANK_COLUMNS = {f"taxon_{rank}_name": rank for rank in RANKS}
_USED = frozenset({*_RANK_COLUMNS, "taxon_hybrid_name", "id", "image_url", "common_name", "license", "user_name"})


class InaturalistSource:
    """Read iNaturalist's export of observations.

    Args:
        root: The CSV file, or the folder or zip file that holds it.
        images: Folder with the downloaded pictures.
        images_named_by: Whether they are named by `address`, the number of the photo that stands before `medium.jpg`,
            or by the `id` of the observation.
        descriptions: Take what observers wrote as descriptions; else it is metadata. Few of them describe the organism.
        metadata: Columns that are kept as metadata; None keeps all that are not empty.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        images: str | Path | None = None,
        images_named_by: NamedBy = "address",
        descriptions: bool = False,
        metadata: Sequence[str] | None = KEPT_COLUMNS,
    ) -> None:
        self.images, self.descriptions = check_folder(images, images_named_by), descriptions
        self.defects, self.named_by = Defects(), images_named_by
        dialect = Dialect(delimiter=",", quote='"')
        self._table = ExportedTable(
            Path(root),
            (".csv",),
            dialect,
            known=[*_USED, *KEPT_COLUMNS],
            needed=[["id"], ["scientific_name", "taxon_species_name"]],
        )
        self.metadata = kept_columns(metadata, self._table.columns, KEPT_COLUMNS, root)

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        ids, pictures = Ids(self.defects), Pictures(self.images, self.named_by, self.defects)
        for where, cells in self._table.rows(self.defects):
            identity = text(cells["id"])
            if ids.claim(identity, where):
                url = text(cells.get("image_url"))
                media = [Medium((url,), metadata={"image_url": url})] if url else []
                yield from pictured(self._record(identity, cells), media, pictures, where, ids)

    def species_texts(self) -> Iterator[SpeciesText]:
        """Yield nothing: the export holds no texts of species."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash the settings, the table, and name, size and time of each picture."""
        return self._table.digest((self.metadata, self.named_by, self.descriptions, pictures_state(self.images)))

    def _record(self, identity: str, cells: Mapping[str, str]) -> Specimen:
        kept = chosen(cells, self.metadata, _USED)
        descriptions = texts(cells.get("description")) if self.descriptions else ()
        if self.descriptions:
            kept.pop("description", None)
        taxon = _taxon(cells)
        name = clean_phrase(given(cells.get("scientific_name")))
        is_named = any(taxon.ranks[1:]) or name == taxon.kingdom
        return Specimen(
            id=identity,
            taxon=taxon,
            label="" if is_named else name,
            common_names=texts(cells.get("common_name")),
            descriptions=descriptions,
            licence=given(cells.get("license")),
            rights_holder=given(cells.get("user_name")) or given(cells.get("user_login")),
            metadata=kept,
        )


def _taxon(cells: Mapping[str, str]) -> Taxon:
    """Return the taxon; where an export has no columns of ranks, `scientific_name` tells the species or the family."""
    told = {rank: cells.get(column, "") for column, rank in _RANK_COLUMNS.items()}
    told["kingdom"] = told["kingdom"] or _KINGDOMS.get(text(cells.get("iconic_taxon_name")), "")
    told["species"] = told["species"] or cells.get("taxon_hybrid_name", "")
    if "taxon_species_name" not in cells:
        told["scientificName"] = name = text(cells.get("scientific_name"))
        # Of plants -idae are subclasses.
        if name.isalpha() and name.endswith("idae" if told["kingdom"] == "Animalia" else "aceae"):
            told["family"] = told["family"] or name
    return taxon_of(told)
