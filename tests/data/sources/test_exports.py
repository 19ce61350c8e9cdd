from __future__ import annotations

import csv
import gzip
import tarfile
from pathlib import Path

import pytest
from exports import tabbed, write_folder, write_pictures, write_zip

from clipbio.data.sources import BoldSource, GbifSource, InaturalistSource
from clipbio.errors import ClipbioError

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
    assert set(cells) <= set(columns)
    return [cells.get(column, missing) for column in columns]


def gbif_table(end: str = "\n") -> str:
    rows = [
        row(GBIF, gbifID="11", **HEAT, taxonRank="SPECIES", scientificName="Heliconius melpomene (Linnaeus, 1758)", license="CC0_1_0", rightsHolder='The "Museum', institutionCode="NHM", mediaType="StillImage"),
        row(GBIF, gbifID="12", **HEAT, mediaType="StillImage;StillImage", year="2020"),
        row(GBIF, gbifID="13", **HEAT, mediaType="StillImage"),
        row(GBIF, gbifID="11", **HEAT),
        row(GBIF, gbifID="14", **HEAT | {"species": ""}, taxonRank="UNRANKED", scientificName="BOLD:AAA0001"),
    ]  # fmt: skip
    return tabbed(GBIF, rows, end)


@pytest.mark.parametrize("form", ["csv", "zip", "folder", "gz", "windows"])
def test_gbif_simple_export(tmp_path: Path, form: str) -> None:
    images = write_pictures(tmp_path / "images", ["11.jpg", "x/12_1.jpg", "x/12_2.png", "14.jpg"])
    files: dict[str, str | bytes] = {"0001-2026.csv": gbif_table("\r\n" if form == "windows" else "\n")}
    root = write_folder(tmp_path / "folder", files)
    if form == "zip":
        root = write_zip(tmp_path / "0001-2026.zip", files)
    elif form == "gz":
        (tmp_path / "0001.csv.gz").write_bytes(gzip.compress(gbif_table().encode()))
        root = tmp_path / "0001.csv.gz"
    elif form == "csv":
        root = root / "0001-2026.csv"
    source = GbifSource(root, images=images)
    first, second, third, bin_only = source
    assert (first.id, first.image, first.taxon.scientific_name) == ("11", images / "11.jpg", "Heliconius melpomene")
    assert (first.licence, first.rights_holder, first.group_id) == ("CC0_1_0", 'The "Museum', "")
    assert first.metadata == {
        "scientificName": "Heliconius melpomene (Linnaeus, 1758)",
        "taxonRank": "SPECIES",
        "institutionCode": "NHM",
    }
    assert [(s.id, s.group_id, s.image) for s in (second, third)] == [
        ("12_1", "12", images / "x/12_1.jpg"),
        ("12_2", "12", images / "x/12_2.png"),
    ]
    assert bin_only.taxon.deepest == ("genus", "Heliconius")
    assert source.defects.counts == {"image_not_downloaded": 1, "duplicate_id": 1}
    assert source.defects.of("image_not_downloaded")[0].where.endswith("line 4")
    assert source.fingerprint() != GbifSource(root).fingerprint()


def write_inat(path: Path, columns: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


PHOTO = "https://inaturalist-open-data.s3.amazonaws.com/photos/{}/medium.jpg"


def test_inaturalist_export_with_and_without_columns_of_ranks(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["701.jpeg", "702.jpg", "703.jpg", "9003.jpg"])
    ranks = {f"taxon_{rank}_name": name for rank, name in HEAT.items()}
    rows = [
        {"id": "9001", "image_url": PHOTO.format(701), "license": "CC-BY-NC", "user_login": "ann", "user_name": "Ann A.", "common_name": "Postman", "scientific_name": "Heliconius melpomene rosina", "description": 'Wings "red",\nseen at noon', **ranks},
        {"id": "9002", "image_url": PHOTO.format(702), "user_login": "bob", "scientific_name": "Heliconius melpomene × timareta", **ranks | {"taxon_species_name": "", "taxon_hybrid_name": "Heliconius melpomene × timareta"}},
        {"id": "9003", "image_url": PHOTO.format(799), "scientific_name": "Heliconius", **ranks},
        {"id": "9004", "scientific_name": "Heliconius", **ranks},
    ]  # fmt: skip
    columns = [*INAT, *INAT_RANKS, "field:host+plant"]
    path = write_inat(tmp_path / "observations-1.csv", columns, [row(columns, **cells) for cells in rows])
    source = InaturalistSource(path, images=images)
    butterfly, hybrid = source
    assert butterfly.taxon.ranks == (*list(HEAT.values())[:6], "melpomene")
    assert (butterfly.image, butterfly.common_names) == (images / "701.jpeg", ("Postman",))
    assert (butterfly.licence, butterfly.rights_holder, butterfly.descriptions) == ("CC-BY-NC", "Ann A.", ())
    assert butterfly.metadata["image_url"] == PHOTO.format(701)
    assert butterfly.metadata["description"] == 'Wings "red",\nseen at noon'
    assert (hybrid.image, hybrid.rights_holder) == (images / "702.jpg", "bob")
    assert (hybrid.taxon.genus, hybrid.taxon.species) == ("Heliconius", "")
    assert source.defects.counts == {"image_not_downloaded": 1, "no_image_no_dna": 1}
    assert source.defects.of("image_not_downloaded")[0].where == "observations-1.csv line 5"
    by_id = InaturalistSource(path, images=images, images_named_by="id")
    assert [s.image for s in by_id] == [images / "9003.jpg"]
    told = next(iter(InaturalistSource(path, images=images, descriptions=True)))
    assert told.descriptions == ('Wings "red", seen at noon',)
    assert "description" not in told.metadata
    plain = write_inat(
        tmp_path / "plain.csv",
        INAT,
        [row(INAT, id="1", image_url=PHOTO.format(703), scientific_name="Pica pica", iconic_taxon_name="Aves")],
    )
    (bird,) = InaturalistSource(plain, images=images)
    assert (bird.taxon.kingdom, bird.taxon.scientific_name) == ("Animalia", "Pica pica")


@pytest.mark.parametrize(
    ("name", "iconic", "deepest", "label"),
    [
        ("Corvidae", "Aves", ("family", "Corvidae"), ""),
        ("Fagaceae", "Plantae", ("family", "Fagaceae"), ""),
        ("Fagaceae", "", ("family", "Fagaceae"), ""),
        ("Magnoliidae", "Plantae", ("kingdom", "Plantae"), "Magnoliidae"),
        ("Pica", "Aves", ("kingdom", "Animalia"), "Pica"),
        ("Animalia", "Animalia", ("kingdom", "Animalia"), ""),
        ("Plantae", "Plantae", ("kingdom", "Plantae"), ""),
        ("Pica pica", "Aves", ("species", "Pica pica"), ""),
    ],
)
def test_names_above_species_without_columns_of_ranks(
    tmp_path: Path, name: str, iconic: str, deepest: tuple[str, str] | None, label: str
) -> None:
    images = write_pictures(tmp_path / "images", ["703.jpg"])
    cells = {"id": "1", "image_url": PHOTO.format(703), "scientific_name": name, "iconic_taxon_name": iconic}
    path = write_inat(tmp_path / "plain.csv", INAT, [row(INAT, **cells)])
    (specimen,) = InaturalistSource(path, images=images)
    assert (specimen.taxon.deepest, specimen.label) == (deepest, label)


def test_columns_of_metadata_are_checked_and_may_be_in_any_case(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["11.jpg", "12_1.jpg"])
    path = write_folder(tmp_path / "gbif", {"0001.csv": gbif_table()}) / "0001.csv"
    first, *_ = GbifSource(path, images=images, metadata=["institutioncode", "YEAR"])
    assert first.metadata == {"institutionCode": "NHM"}
    with pytest.raises(ClipbioError, match="metadata names the unknown column 'localityy'; did you mean 'locality'"):
        GbifSource(path, metadata=["localityy"])
    package = tmp_path / "BOLD_Public.tsv"
    package.write_text(tabbed(BCDM, bcdm_rows()))
    with pytest.raises(ClipbioError, match="unknown column 'colectors'; did you mean 'collectors'"):
        BoldSource(package, metadata=["colectors"])
    plain = write_inat(tmp_path / "plain.csv", INAT, [])
    with pytest.raises(ClipbioError, match="unknown column 'obscred'"):
        InaturalistSource(plain, metadata=["obscred"])


def bcdm_rows() -> list[list[str]]:
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


def test_bold_package(tmp_path: Path) -> None:
    path = tmp_path / "BOLD_Public.tsv"
    path.write_text(tabbed(BCDM, bcdm_rows()))
    source = BoldSource(path)
    first, interim, identified, family = source
    assert (first.id, first.dna, first.bin, first.group_id) == ("A1", "ACGT--NNRY", "BOLD:AAA0001", "S-A1")
    assert first.taxon.ranks == (*list(HEAT.values())[:6], "melpomene")
    assert (first.image, first.metadata["insdc_acs"], first.metadata["coord"]) == (None, "MK1", "[9.1, -79.8]")
    assert "None" not in first.metadata.values()
    assert interim.taxon.deepest == ("genus", "Heliconius")
    assert (interim.label, interim.species) == ("Heliconius sp. nov. 3", "Heliconius sp. nov. 3")
    assert identified.taxon.scientific_name == "Heliconius charithonia"
    assert (family.taxon.deepest, family.metadata["country/ocean"]) == (("family", "Nymphalidae"), "Panama")
    assert source.defects.counts == {"no_image_no_dna": 1, "bad_barcode": 1, "duplicate_id": 1}
    assert source.defects.of("duplicate_id")[0].where == "BOLD_Public.tsv line 8"


def test_bold_with_all_markers_and_pictures(tmp_path: Path) -> None:
    path = tmp_path / "BOLD_Public.tsv"
    path.write_text(tabbed(BCDM, bcdm_rows()[:2]))
    images = write_pictures(tmp_path / "images", ["A1.jpg"])
    both = list(BoldSource(path, marker=None, images=images))
    assert [(s.id, s.dna, s.image, s.group_id) for s in both] == [
        ("A1.COI-5P", "ACGT--NNRY", images / "A1.jpg", "S-A1"),
        ("A1.28S", "ACGT", images / "A1.jpg", "S-A1"),
    ]


def test_bold_older_export_in_windows_1252(tmp_path: Path) -> None:
    cells = {f"{rank}_name": name for rank, name in HEAT.items() if rank != "kingdom"}
    cells |= {"processid": "B1", "sampleid": "S1", "markercode": "COI-5P", "nucleotides": "acgtn", "country": "Perú"}
    cells |= {"bin_uri": "BOLD:AAB1", "image_urls": "http://x.example/pics/B1+123.jpg|http://x.example/pics/B1d.jpg"}
    cells |= {"copyright_licenses": "CC BY", "copyright_holders": "Müller", "recordID": "77"}
    path = tmp_path / "bold_data.txt"
    path.write_bytes(tabbed(OLD_BOLD, [row(OLD_BOLD, **cells)]).encode("windows-1252"))
    images = write_pictures(tmp_path / "images", ["B1+123.jpg"])
    source = BoldSource(path, images=images, images_named_by="address", encoding="windows-1252")
    (specimen,) = source
    assert (specimen.id, specimen.dna, specimen.bin) == ("B1_1", "acgtn", "BOLD:AAB1")
    assert specimen.taxon.scientific_name == "Heliconius melpomene"
    assert (specimen.image, specimen.licence, specimen.rights_holder) == (images / "B1+123.jpg", "CC BY", "Müller")
    assert (specimen.metadata["country/ocean"], specimen.metadata["record_id"]) == ("Perú", "77")
    assert source.defects.counts == {"image_not_downloaded": 1}
    undeclared = BoldSource(path)
    assert list(undeclared) == []
    assert undeclared.defects.counts == {"bad_encoding": 1}


@pytest.mark.parametrize("kind", [GbifSource, InaturalistSource, BoldSource])
def test_wrong_files_are_told_in_one_line(
    tmp_path: Path, kind: type[GbifSource | InaturalistSource | BoldSource]
) -> None:
    with pytest.raises(ClipbioError, match="is not there"):
        kind(tmp_path / "none.csv")
    with pytest.raises(ClipbioError, match="holds no table"):
        kind(tmp_path)
    path = tmp_path / "a.txt"
    path.write_text("species,genus\nx,y\n")
    with pytest.raises(ClipbioError, match=r"has no column 'gbifID'|has no column 'id'|has no column 'processid'"):
        kind(path)
    with pytest.raises(ClipbioError, match="is not a folder; give the one that holds the downloaded pictures"):
        kind(path, images=tmp_path / "none")
    for name in ("b.csv", "c.csv", "b.tsv", "c.tsv"):
        (tmp_path / name).write_text("x\n")
    with pytest.raises(ClipbioError, match=r"holds b\.\wsv, c\.\wsv; give the one to read"):
        kind(tmp_path)
    with pytest.raises(ClipbioError, match="is a tar file; unpack it"):
        kind(_tar(tmp_path / "package.tar.gz"))


def _tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz"):
        return path


def test_a_package_with_other_files_beside_the_table(tmp_path: Path) -> None:
    files = {
        "b/data.tsv": tabbed(BCDM, bcdm_rows()[:1]),
        "b/readme.txt": "x",
        "__MACOSX/b/._data.tsv": "x",
        "b/._data.tsv": "x",
    }
    assert [s.id for s in BoldSource(write_zip(tmp_path / "package.zip", files))] == ["A1"]


def test_two_files_of_one_name_belong_to_no_record(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["a/11.jpg", "b/11.jpg"])
    path = tmp_path / "x.csv"
    path.write_text(tabbed(GBIF, [row(GBIF, gbifID="11", mediaType="StillImage")]))
    source = GbifSource(path, images=images)
    assert list(source) == []
    assert source.defects.counts == {"ambiguous_image": 1, "image_not_downloaded": 1}


def test_gaps_between_pictures_are_counted_and_ids_stay(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["1_1.jpg", "1_3.jpg", "2_2.jpg", "3_1.jpg", "3_3.jpg", "4.jpg"])
    path = tmp_path / "x.csv"
    counts = {"1": 3, "2": 2, "3": 0, "4": 2}
    rows = [row(GBIF, gbifID=one, mediaType=";".join(["StillImage"] * count)) for one, count in counts.items()]
    path.write_text(tabbed(GBIF, rows))
    source = GbifSource(path, images=images)
    assert [(s.id, s.group_id) for s in source] == [
        *(("1_1", "1"), ("1_3", "1"), ("2_2", "2")),
        *(("3_1", "3"), ("3_3", "3"), ("4_1", "4")),
    ]
    assert source.defects.counts == {"image_not_downloaded": 4}
    assert "picture 2" in source.defects.of("image_not_downloaded")[0].message


def test_a_file_belongs_to_one_record(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["a_b.jpg"])
    path = tmp_path / "x.csv"
    path.write_text(tabbed(GBIF, [row(GBIF, gbifID=one, mediaType="StillImage") for one in ("a/b", "a_b")]))
    source = GbifSource(path, images=images)
    assert [s.id for s in source] == ["a/b"]
    assert source.defects.counts == {"ambiguous_image": 1, "image_not_downloaded": 1}
    assert "a_b looks for the same name" in source.defects.of("ambiguous_image")[0].message
