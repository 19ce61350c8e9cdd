from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from exports import (
    AC,
    COMMAS,
    DCT,
    DWC,
    GBIF,
    OAK,
    RIGHTS,
    gbif_files,
    gbif_media,
    gbif_row,
    meta_xml,
    tabbed,
    table_xml,
    write_folder,
    write_pictures,
    write_zip,
)

from clipbio.data.sources import DwcaSource
from clipbio.errors import ClipbioError

INAT = "https://inaturalist-open-data.s3.amazonaws.com/photos"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "images", ["sheet-7.jpg", "deep/er/90017.jpg", "x.png", "b.jpg"])


def a_gbif_download() -> dict[str, str | bytes]:
    rows = [
        gbif_row("1", vernacularName="English oak | pedunculate oak", year="1899"),
        gbif_row("2"),
        gbif_row("3", species="", scientificName="Quercus L.", taxonRank="GENUS"),
        gbif_row("4"),
        gbif_row("5", mediaType="Sound"),
    ]
    media = [
        gbif_media("2", f"{INAT}/90017/original.jpg?1", license="CC0", rightsHolder="", creator="Ann"),
        gbif_media("1", "http://herbarium.example/img/Sheet-7.JPG", description="A sheet."),
        gbif_media("3", "http://here.example/x.jpg"),
        gbif_media("4", "http://gone.example/a.jpg"),
        gbif_media("4", "http://here.example/b.jpg"),
        gbif_media("4", "http://gone.example/b.mp3", type="Sound", format="audio/mpeg"),
        gbif_media("99", "http://here.example/y.jpg"),
    ]
    return gbif_files(rows, media)


def test_a_gbif_download_is_read_where_it_is(tmp_path: Path, images: Path) -> None:
    source = DwcaSource(write_zip(tmp_path / "0001.zip", a_gbif_download()), images=images)
    found = {specimen.id: specimen for specimen in source}
    assert list(found) == ["1", "2", "3", "4_2"]
    sheet = found["1"]
    assert sheet.taxon.ranks == (*OAK[:5], "Quercus", "robur"), "the interpreted species, not the synonym"
    assert sheet.image == images / "sheet-7.jpg"
    assert sheet.common_names == ("English oak", "pedunculate oak")
    assert (sheet.licence, sheet.rights_holder, sheet.group_id) == ("CC_BY_4_0", "The garden", "")
    assert sheet.metadata == {
        "scientificName": "Quercus pedunculata Ehrh.",
        "taxonRank": "SPECIES",
        "institutionCode": "K",
        "year": "1899",
        "identifier": "http://herbarium.example/img/Sheet-7.JPG",
        "caption": "A sheet.",
    }
    photo = found["2"]
    assert photo.image == images / "deep/er/90017.jpg", "iNaturalist's file names only tell the size"
    assert (photo.licence, photo.rights_holder) == ("CC0", "Ann")
    assert (found["3"].taxon.genus, found["3"].taxon.species) == ("Quercus", "")
    assert (found["4_2"].group_id, found["4_2"].image) == ("4", images / "b.jpg")
    assert source.defects.counts == {"image_not_downloaded": 1, "no_image_no_dna": 1, "orphan_media": 1}
    missing = source.defects.of("image_not_downloaded")[0]
    assert missing.where == "occurrence.txt line 5"
    assert "http://gone.example/a.jpg: no file of" in missing.message


def test_an_unknown_term_of_metadata_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "0001.zip", a_gbif_download())
    with pytest.raises(ClipbioError, match="metadata names the unknown column 'vernacular_name'; did you mean"):
        DwcaSource(path, metadata=["vernacular_name"])
    assert DwcaSource(path, metadata=["YEAR", "habitat"]).metadata == ("year", "habitat")


def test_a_comment_as_header_and_a_bad_first_row_cost_no_others(tmp_path: Path, images: Path) -> None:
    files = a_gbif_download()
    _, first, *rows = str(files["occurrence.txt"]).splitlines(keepends=True)
    before = DwcaSource(write_zip(tmp_path / "a.zip", files), images=images)
    wanted = [s.id for s in before]
    files["occurrence.txt"] = "".join(["# made by hand\n", "x\ty\n", first, *rows])
    source = DwcaSource(write_zip(tmp_path / "b.zip", files), images=images)
    assert [s.id for s in source] == wanted
    assert source.defects.counts == before.defects.counts | {"wrong_width": 1}


def test_pictures_named_by_the_id_of_their_record(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["1.jpg", "2_1.png", "4_2.jpg", "5.jpg", "5_1.jpg", "x.jpg", "a.jpg"])
    source = DwcaSource(write_zip(tmp_path / "0001.zip", a_gbif_download()), images=images, images_named_by="id")
    assert {s.id: s.image and s.image.name for s in source} == {  # type: ignore[union-attr]
        "1": "1.jpg",
        "2": "2_1.png",
        "4_2": "4_2.jpg",
        "5": "5.jpg",
        "5_1": "5_1.jpg",
    }
    assert source.defects.counts == {"image_not_downloaded": 2, "orphan_media": 1}
    with pytest.raises(ClipbioError, match="images_named_by=ids is not known; did you mean 'id'"):
        DwcaSource(tmp_path / "0001.zip", images_named_by="ids")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "file_format", "is_read"),
    [
        ("StillImage", "", True),
        ("http://purl.org/dc/dcmitype/StillImage", "image/jpeg", True),
        ("image/jpeg", "", True),
        ("", "", True),
        ("", "JPG", True),
        ("PhysicalObject", "image/png", True),
        ("", "audio/mpeg", False),
        ("MovingImage", "video/mp4", False),
        ("Sound", "", False),
        ("Text", "", False),
    ],
)
def test_what_is_a_picture(tmp_path: Path, kind: str, file_format: str, is_read: bool) -> None:
    media = [gbif_media("1", "http://x.example/a.jpg", type=kind, format=file_format)]
    root = write_zip(tmp_path / "0001.zip", gbif_files([gbif_row("1")], media))
    assert len(list(DwcaSource(root, images=write_pictures(tmp_path / "i", ["a.jpg"])))) == is_read


def test_a_file_belongs_to_one_address(tmp_path: Path) -> None:
    media = [
        gbif_media("1", "http://x.example/one/sheet.jpg"),
        gbif_media("2", "https://x.example/one/sheet.jpg"),
        gbif_media("3", "http://x.example/another/sheet.jpg"),
        gbif_media("4", "http://x.example/7.jpg"),
        gbif_media("sheet", ""),
    ]
    rows = [gbif_row(identity) for identity in ("1", "2", "3", "4", "7", "sheet")]
    images = write_pictures(tmp_path / "images", ["sheet.jpg"])
    source = DwcaSource(write_zip(tmp_path / "0001.zip", gbif_files(rows, media)), images=images)
    assert [s.id for s in source] == ["1", "2"], "one photo of two records, and a stranger of the same name"
    assert source.defects.counts == {"image_not_downloaded": 3, "no_image_no_dna": 1}
    assert "picture 1 without address" in str(source.defects.of("image_not_downloaded")[2])


def test_folder_zip_and_zip_of_a_folder_are_the_same(tmp_path: Path, images: Path) -> None:
    files = a_gbif_download()
    inside = {f"download/{name}": content for name, content in files.items()}
    roots = [
        write_zip(tmp_path / "flat.zip", files),
        write_zip(tmp_path / "deep.zip", inside),
        write_folder(tmp_path / "folder", files),
    ]
    first, *others = [list(DwcaSource(root, images=images)) for root in roots]
    assert len(first) == 4
    assert all(other == first for other in others)
    source = DwcaSource(roots[0], images=images)
    assert list(source) == list(source) == first


def test_without_pictures_each_one_is_named(tmp_path: Path) -> None:
    source = DwcaSource(write_zip(tmp_path / "0001.zip", a_gbif_download()))
    assert list(source) == []
    assert source.defects.counts["image_not_downloaded"] == 5
    assert "give the folder where they lie with images=" in str(source.defects.of("image_not_downloaded")[0])


def test_defects_seen_in_the_wild(tmp_path: Path) -> None:
    files = gbif_files([gbif_row("1"), gbif_row("1"), gbif_row(""), gbif_row("2"), gbif_row("3")], [])
    lines = str(files["occurrence.txt"]).splitlines()
    lines[4] = lines[4].replace("The garden", "The\tgarden")
    text = "\r\n".join([*lines[:5], lines[5].replace("The garden", 'A "lone quote, Universit\u00c3\u00a4t')])
    files["occurrence.txt"] = text.encode() + b"\n4\tM\xfcller" + b"\t" * 18 + b"\n"
    source = DwcaSource(
        write_zip(tmp_path / "0001.zip", files),
        images=write_pictures(tmp_path / "i", ["1.jpg", "3.jpg"]),
        images_named_by="id",
    )
    first, third = source
    assert (first.id, third.id) == ("1", "3")
    assert third.rights_holder.startswith('A "lone quote')
    assert source.defects.counts == {
        "duplicate_id": 1,
        "missing_id": 1,
        "wrong_width": 1,
        "bad_encoding": 1,
        "mojibake": 1,
    }
    assert source.defects.skipped == 4
    assert str(source.defects.of("wrong_width")[0]) == "occurrence.txt line 5: 21 cells instead of 20"
    assert source.defects.of("duplicate_id")[0].message == "'1' is already the id of occurrence.txt line 2"


def a_symbiota_export() -> dict[str, str | bytes]:
    terms = [f"{DWC}{name}" for name in ("institutionCode", "catalogNumber", "family", "scientificName", "genus")]
    terms += [f"{DWC}{name}" for name in ("specificEpithet", "taxonRank", "identificationQualifier", "recordedBy")]
    terms += [f"{DCT}rights", f"{DCT}rightsHolder"]
    media_terms = [f"{DCT}identifier", f"{AC}accessURI", f"{AC}goodQualityAccessURI", f"{DCT}format", f"{DCT}type"]
    media_terms += [f"{RIGHTS}Owner", f"{RIGHTS}UsageTerms", f"{AC}caption", f"{AC}subjectPart"]
    rows = [
        ["id", *(term.rpartition("/")[2] for term in terms)],
        ["501", "ASU", 'ASU "2"', "Fagaceae", "Quercus robur L.", "Quercus", "robur", "Species", "", "Müller,\nA.", "CC0", "ASU"],
        ["502", "ASU", "ASU3", "Fagaceae", "Quercus alba", "Quercus", "alba", "Species", "cf.", "", "CC0", "ASU"],
    ]  # fmt: skip
    url = "https://img.example/ASU/00012"
    media = [
        ["coreid", *(term.rpartition("/")[2] for term in media_terms)],
        ["501", f"{url}_lg.jpg", f"{url}_lg.jpg", f"{url}_web.jpg", "image/jpeg", "StillImage", "Owner A", "CC BY", "herbarium sheet", "whole"],
        ["502", "", "https://iiif.example/iiif/2/ASU0003/full/max/0/default.jpg", "", "image/jpeg", "StillImage", "", "", "", ""],
    ]  # fmt: skip
    told = {"encoding": "ISO-8859-1", "dialect": COMMAS}
    meta = meta_xml(
        table_xml("core", f"{DWC}Occurrence", "occurrences.csv", terms, **told),
        table_xml("extension", f"{DWC}Identification", "identifications.csv", [f"{DWC}genus"], **told),
        table_xml("extension", f"{AC}Multimedia", "multimedia.csv", media_terms, **told),
    )
    return {
        "meta.xml": meta,
        "occurrences.csv": quoted(rows).encode("latin-1"),
        "multimedia.csv": quoted(media).encode("latin-1"),
        "identifications.csv": "coreid,genus\n501,Fagus\n",
        "eml.xml": "<eml/>",
    }


def quoted(rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def test_a_symbiota_export_with_quotes_latin_1_and_audubon_core(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["00012_web.jpg", "ASU0003.jpg"])
    source = DwcaSource(write_zip(tmp_path / "ASU_DwC-A.zip", a_symbiota_export()), images=images)
    sheet, doubted = source
    assert sheet.taxon.scientific_name == "Quercus robur"
    assert (sheet.image, doubted.image) == (images / "00012_web.jpg", images / "ASU0003.jpg")
    assert (sheet.metadata["recordedBy"], sheet.metadata["catalogNumber"]) == ("Müller,\nA.", 'ASU "2"')
    assert (sheet.metadata["caption"], sheet.metadata["subjectPart"]) == ("herbarium sheet", "whole")
    assert (sheet.licence, sheet.rights_holder) == ("CC BY", "Owner A")
    assert (doubted.licence, doubted.rights_holder) == ("CC0", "ASU")
    assert (doubted.taxon.genus, doubted.taxon.species) == ("Quercus", "")
    assert not source.defects


def a_checklist() -> dict[str, str | bytes]:
    taxa = [f"{DWC}scientificName", f"{DWC}taxonRank", f"{DWC}kingdom", f"{DWC}genus", f"{DWC}specificEpithet"]
    description = [f"{DCT}description", f"{DCT}type", f"{DCT}language", f"{DCT}license"]
    meta = meta_xml(
        table_xml("core", f"{DWC}Taxon", "taxon.txt", taxa),
        table_xml(
            "extension", f"{GBIF}Description", "description.txt", description, defaults={f"{DCT}source": "Flora"}
        ),
        table_xml("extension", f"{GBIF}VernacularName", "vernacular.txt", [f"{DWC}vernacularName", f"{DCT}language"]),
        table_xml("extension", f"{GBIF}Distribution", "distribution.txt", [f"{DWC}locality"]),
        table_xml("extension", f"{GBIF}Multimedia", "media.txt", [f"{DCT}identifier", f"{DCT}type"]),
    )
    return {
        "meta.xml": meta,
        "taxon.txt": tabbed(
            ["taxonID", "scientificName", "taxonRank", "kingdom", "genus", "specificEpithet"],
            [
                ["t1", "Quercus robur L.", "species", "Plantae", "Quercus", "robur"],
                ["t2", "Fagaceae Dumort.", "family", "Plantae", "", ""],
                ["t3", "Oenanthe crocata L.", "", "Plantae", "", ""],
            ],
        ),
        "description.txt": tabbed(
            ["id", "description", "type", "language", "license"],
            [
                ["t1", "<p>Leaves lobed, &amp; leathery.</p>", "Morphology", "en", "CC BY"],
                ["t1", "From Spain to the Urals.", "distribution", "en", ""],
                ["t3", "Tall herb.", "http://rs.tdwg.org/ontology/voc/SPMInfoItems#DiagnosticDescription", "", ""],
                ["t3", "-", "general", "", ""],
                ["t2", "Trees.", "general", "", ""],
                ["t9", "Nobody's.", "general", "", ""],
            ],
        ),
        "vernacular.txt": tabbed(["id", "name", "language"], [["t1", "Stieleiche", "de"], ["t3", "unknown", "en"]]),
        "media.txt": tabbed(
            ["id", "identifier", "type"],
            [["t1", "https://x.example/a.jpg", "StillImage"], ["t1", "https://x.example/b.jpg", "StillImage"]],
        ),
    }


def test_a_taxon_core_gives_texts_and_pictures_of_species(tmp_path: Path) -> None:
    root = write_zip(tmp_path / "checklist.zip", a_checklist())
    source = DwcaSource(root, images=write_pictures(tmp_path / "i", ["a.jpg", "b.jpg"]))
    assert [(specimen.id, specimen.group_id) for specimen in source] == [("t1_1", ""), ("t1_2", "")]
    leaves, herb, trees, name = source.species_texts()
    assert (leaves.kingdom, leaves.scientific_name, leaves.kind) == ("Plantae", "Quercus robur", "description")
    assert (leaves.text, leaves.language, leaves.type) == ("Leaves lobed, & leathery.", "en", "Morphology")
    assert (leaves.source, leaves.licence) == ("Flora", "CC BY")
    assert (herb.scientific_name, herb.text) == ("Oenanthe crocata", "Tall herb.")
    assert (trees.kingdom, trees.scientific_name) == ("Plantae", "Fagaceae")
    assert (name.kind, name.text, name.language) == ("common_name", "Stieleiche", "de")
    assert source.defects.counts == {"unusable_text": 3}
    everything = DwcaSource(root, description_types=None)
    assert list(everything) == []
    assert not everything.defects, "without a folder of pictures only the texts are wanted"
    assert "From Spain to the Urals." in {text.text for text in everything.species_texts()}


def test_constants_several_files_and_no_header(tmp_path: Path) -> None:
    meta = meta_xml(
        table_xml(
            "core",
            f"{DWC}Occurrence",
            "a.txt",
            [f"{DWC}scientificName", f"{DWC}associatedMedia", f"{DWC}kingdom"],
            dialect={"fieldsTerminatedBy": "\t", "fieldsEnclosedBy": ""},
            defaults={f"{DWC}kingdom": "Plantae", f"{DCT}license": "CC0"},
            locations=["b.txt"],
        )
    )
    url = "https://x.example/"
    files = {
        "meta.xml": meta,
        "a.txt": f"1\tQuercus robur\t{url}a.jpg | {url}b.jpg\t\n",
        "b.txt": f"2\tPica pica (L.)\t{url}c.jpg\tAnimalia\n\n",
    }
    root = write_folder(tmp_path / "archive", files)
    source = DwcaSource(root, images=write_pictures(tmp_path / "i", ["a.jpg", "b.jpg", "c.jpg"]))
    assert [(s.id, s.group_id, s.taxon.kingdom, s.licence) for s in source] == [
        ("1_1", "1", "Plantae", "CC0"),
        ("1_2", "1", "Plantae", "CC0"),
        ("2", "", "Animalia", "CC0"),
    ]
    assert not source.defects


def test_all_terms_can_be_kept(tmp_path: Path) -> None:
    files = gbif_files([gbif_row("1", occurrenceID="K:1")], [gbif_media("1", "http://x.example/1.jpg")])
    root = write_zip(tmp_path / "0001.zip", files)
    (specimen,) = DwcaSource(root, images=write_pictures(tmp_path / "i", ["1.jpg"]), metadata=None)
    assert specimen.metadata == {
        "occurrenceID": "K:1",
        "institutionCode": "K",
        "identifier": "http://x.example/1.jpg",
    }


def test_the_fingerprint_follows_tables_pictures_and_settings(tmp_path: Path, images: Path) -> None:
    files = a_gbif_download()
    states = []
    for name, changed in (("a", {}), ("b", {}), ("c", {"multimedia.txt": str(files["multimedia.txt"]) + "\n"})):
        root = write_zip(tmp_path / f"{name}.zip", files | changed)
        states.append(DwcaSource(root, images=images).fingerprint())
    states.append(DwcaSource(root, images=images, metadata=["year"]).fingerprint())
    write_pictures(images, ["new.jpg"])
    states.append(DwcaSource(root, images=images).fingerprint())
    assert states[0] == states[1]
    assert len(set(states)) == 4
