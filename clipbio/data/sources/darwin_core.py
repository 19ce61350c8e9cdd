"""Darwin Core values as taxa: which cells tell the species, and when a name is above it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from clipbio.data.sources.cells import text
from clipbio.names import clean_rank
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["KEPT_TERMS", "TAXON_TERMS", "name_of_taxon", "split_media", "taxon_of"]

TAXON_TERMS = (
    *RANKS,
    *("genericName", "specificEpithet", "scientificName", "acceptedScientificName", "taxonRank"),
    "identificationQualifier",
)
"""Terms that `taxon_of` reads."""

KEPT_TERMS = (
    *("scientificName", "taxonRank", "basisOfRecord", "institutionCode", "collectionCode", "catalogNumber"),
    *("occurrenceID", "datasetKey", "recordedBy", "recordNumber", "identifiedBy", "eventDate", "year", "countryCode"),
    *("stateProvince", "locality", "decimalLatitude", "decimalLongitude", "habitat", "sex", "lifeStage", "typeStatus"),
)
"""Terms that are kept as metadata by default: for splits by institution, collector, place and year."""

_AT_SPECIES = frozenset(
    (
        *("species", "nothospecies", "subspecies", "infraspecies", "infraspecific_name", "variety", "varietas"),
        *("form", "forma", "subvariety", "subform", "cultivar", "ssp", "subsp", "var", "sp", "f"),
    )
)
_DOUBT = re.compile(r"\b(cf|aff|nr|near|prob|poss|uncertain|doubtful)\b|\?", re.IGNORECASE)
_BINOMIAL = re.compile(r"[A-Z]\S+ (?:\([A-Z]\S*\) )?(?:[×xX] ?)?(?:[a-z][a-zë-]{2,}|sp|spp|cf|aff|nr)(?:[\s.].*)?")
_SEPARATORS = re.compile(r"\s*\|\s*|\s*;\s*|\s+#\s+|#(?=https?:)|,\s*(?=https?:)")


def taxon_of(values: Mapping[str, object]) -> Taxon:
    """Return the taxon of a record from Darwin Core terms.

    `species` (GBIF's accepted binomial) comes first, then `specificEpithet` with the genus that it stands in, then
    `scientificName` where `taxonRank` says species or below, or where it is empty and the name has the form of a
    binomial. A qualifier such as cf. or aff. leaves the record at its genus.
    """
    told = {name: text(values.get(name)) for name in TAXON_TERMS}
    rank = told["taxonRank"].lower().strip(" .")
    name = told["acceptedScientificName"] or told["scientificName"]
    ranks = {known: told[known] for known in RANKS}
    if rank in RANKS[:-1]:
        ranks[rank] = ranks[rank] or name
    species = told["species"] or _with_genus(told) or _species_in(name, rank)
    if _DOUBT.search(told["identificationQualifier"]):
        ranks["genus"], species = ranks["genus"] or species.partition(" ")[0], ""
    return Taxon.from_mapping(ranks | {"species": species})


def name_of_taxon(values: Mapping[str, object]) -> tuple[str, str]:
    """Return kingdom and name of a taxon of any rank, by which its texts are joined; an empty name where doubtful."""
    taxon = taxon_of(values)
    rank = text(values.get("taxonRank")).lower().strip(" .")
    told = text(values.get("scientificName"))
    name = clean_rank(told) if told else (taxon.deepest or ("", ""))[1]
    return taxon.kingdom, taxon.scientific_name or ("" if rank in _AT_SPECIES else name)


def split_media(cell: object) -> list[str]:
    """Return the addresses of a cell `associatedMedia`."""
    return [address for address in _SEPARATORS.split(text(cell)) if "://" in address]


def _with_genus(told: Mapping[str, str]) -> str:
    """Return the binomial of `specificEpithet`; `genus` may be the accepted name's where the epithet is a synonym's."""
    epithet, name = told["specificEpithet"], told["scientificName"]
    if not epithet or told["genericName"]:
        return f"{told['genericName']} {epithet}" if epithet else ""
    first, *others = name.split() or [""]
    if first.lower() != told["genus"].lower() and epithet in others and _BINOMIAL.fullmatch(" ".join(name.split())):
        return name
    return f"{told['genus']} {epithet}" if told["genus"] else ""


def _species_in(name: str, rank: str) -> str:
    if rank:
        return name if rank in _AT_SPECIES else ""
    return name if _BINOMIAL.fullmatch(" ".join(name.split())) else ""
