"""Columns and rows of tables as GBIF, iNaturalist and BOLD export them."""

from __future__ import annotations

import csv
from pathlib import Path

from exports import tabbed

GBIF = [
    "gbifID",
    "datasetKey",
    "occurrenceID",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
    "species",
    "infraspecificEpithet",
    "taxonRank",
    "scientificName",
    "verbatimScientificName",
    "verbatimScientificNameAuthorship",
    "countryCode",
    "locality",
    "stateProvince",
    "occurrenceStatus",
    "individualCount",
    "publishingOrgKey",
    "decimalLatitude",
    "decimalLongitude",
    "coordinateUncertaintyInMeters",
    "coordinatePrecision",
    "elevation",
    "elevationAccuracy",
    "depth",
    "depthAccuracy",
    "eventDate",
    "day",
    "month",
    "year",
    "taxonKey",
    "speciesKey",
    "basisOfRecord",
    "institutionCode",
    "collectionCode",
    "catalogNumber",
    "recordNumber",
    "identifiedBy",
    "dateIdentified",
    "license",
    "rightsHolder",
    "recordedBy",
    "typeStatus",
    "establishmentMeans",
    "lastInterpreted",
    "mediaType",
    "issue",
]
INAT = [
    "id",
    "uuid",
    "observed_on_string",
    "observed_on",
    "time_observed_at",
    "time_zone",
    "user_id",
    "user_login",
    "user_name",
    "created_at",
    "updated_at",
    "quality_grade",
    "license",
    "url",
    "image_url",
    "sound_url",
    "tag_list",
    "description",
    "num_identification_agreements",
    "num_identification_disagreements",
    "captive_cultivated",
    "oauth_application_id",
    "place_guess",
    "latitude",
    "longitude",
    "positional_accuracy",
    "private_place_guess",
    "private_latitude",
    "private_longitude",
    "public_positional_accuracy",
    "geoprivacy",
    "taxon_geoprivacy",
    "coordinates_obscured",
    "positioning_method",
    "positioning_device",
    "species_guess",
    "scientific_name",
    "common_name",
    "iconic_taxon_name",
    "taxon_id",
]
INAT_RANKS = [
    f"taxon_{rank}_name"
    for rank in ("kingdom", "phylum", "subphylum", "class", "order", "family", "genus", "species", "hybrid")
]
BCDM = [
    "processid",
    "sampleid",
    "fieldid",
    "museumid",
    "record_id",
    "specimenid",
    "processid_minted_date",
    "bin_uri",
    "bin_created_date",
    "collection_code",
    "inst",
    "taxid",
    "taxon_name",
    "taxon_rank",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "subfamily",
    "tribe",
    "genus",
    "species",
    "subspecies",
    "species_reference",
    "identification",
    "identification_method",
    "identification_rank",
    "identified_by",
    "identifier_email",
    "taxonomy_notes",
    "sex",
    "reproduction",
    "life_stage",
    "short_note",
    "notes",
    "voucher_type",
    "tissue_type",
    "specimen_linkout",
    "associated_specimens",
    "associated_taxa",
    "collectors",
    "collection_date_start",
    "collection_date_end",
    "collection_event_id",
    "collection_time",
    "collection_notes",
    "geoid",
    "country/ocean",
    "country_iso",
    "province/state",
    "region",
    "sector",
    "site",
    "site_code",
    "coord",
    "coord_accuracy",
    "coord_source",
    "elev",
    "elev_accuracy",
    "depth",
    "depth_accuracy",
    "habitat",
    "sampling_protocol",
    "nuc",
    "nuc_basecount",
    "insdc_acs",
    "funding_src",
    "marker_code",
    "primers_forward",
    "primers_reverse",
    "sequence_run_site",
    "sequence_upload_date",
    "bold_recordset_code_arr",
    "ecoregion",
    "biome",
    "realm",
    "sovereign_inst",
]
OLD_BOLD = [
    "processid",
    "sampleid",
    "recordID",
    "catalognum",
    "fieldnum",
    "institution_storing",
    "collection_code",
    "bin_uri",
    "phylum_taxID",
    "phylum_name",
    "class_taxID",
    "class_name",
    "order_taxID",
    "order_name",
    "family_taxID",
    "family_name",
    "subfamily_taxID",
    "subfamily_name",
    "genus_taxID",
    "genus_name",
    "species_taxID",
    "species_name",
    "subspecies_taxID",
    "subspecies_name",
    "identification_provided_by",
    "lifestage",
    "sex",
    "country",
    "province_state",
    "exactsite",
    "image_ids",
    "image_urls",
    "copyright_holders",
    "copyright_licenses",
    "sequenceID",
    "markercode",
    "genbank_accession",
    "nucleotides",
]
HEAT = {
    "kingdom": "Animalia",
    "phylum": "Arthropoda",
    "class": "Insecta",
    "order": "Lepidoptera",
    "family": "Nymphalidae",
    "genus": "Heliconius",
    "species": "Heliconius melpomene",
}


def row(columns: list[str], missing: str = "", **cells: str) -> list[str]:
    """Return a row of these columns, by name; the others are `missing`."""
    assert set(cells) <= set(columns)
    return [cells.get(column, missing) for column in columns]


def gbif_table(end: str = "\n") -> str:
    """Return a GBIF export of butterflies."""
    rows = [
        row(GBIF, gbifID="11", **HEAT, taxonRank="SPECIES", scientificName="Heliconius melpomene (Linnaeus, 1758)", license="CC0_1_0", rightsHolder='The "Museum', institutionCode="NHM", mediaType="StillImage"),
        row(GBIF, gbifID="12", **HEAT, mediaType="StillImage;StillImage", year="2020"),
        row(GBIF, gbifID="13", **HEAT, mediaType="StillImage"),
        row(GBIF, gbifID="11", **HEAT),
        row(GBIF, gbifID="14", **HEAT | {"species": ""}, taxonRank="UNRANKED", scientificName="BOLD:AAA0001"),
    ]  # fmt: skip
    return tabbed(GBIF, rows, end)


def write_inat(path: Path, columns: list[str], rows: list[list[str]]) -> Path:
    """Write an iNaturalist export."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


PHOTO = "https://inaturalist-open-data.s3.amazonaws.com/photos/{}/medium.jpg"


def bcdm_rows() -> list[list[str]]:
    """Return the rows of a BOLD package of butterflies."""

    def barcode(identity: str, **cells: str) -> list[str]:
        told = {
            "processid": identity,
            "sampleid": f"S-{identity}",
            "marker_code": "COI-5P",
            "nuc": "ACGT--NNRY",
            **HEAT,
        }
        return row(BCDM, "None", **told | cells)

    return [
        barcode("A1", bin_uri="BOLD:AAA0001", insdc_acs="MK1", identification_rank="species", coord="[9.1, -79.8]"),
        barcode("A1", marker_code="28S", nuc="ACGT"),
        barcode("A2", species="Heliconius sp. nov. 3", identification_rank="species"),
        barcode("A3", species="None", identification="Heliconius charithonia", identification_rank="species"),
        barcode("A4", nuc="None"),
        barcode("A5", nuc="see notes"),
        barcode("A1"),
        barcode("A6", **dict.fromkeys(("genus", "species"), "None"), **{"country/ocean": "Panama"}),
    ]
