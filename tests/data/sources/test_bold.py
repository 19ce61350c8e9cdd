"""BOLD's packages and its older export."""

from __future__ import annotations

from pathlib import Path

from exports import tabbed, write_pictures, write_zip
from published_tables import BCDM, HEAT, OLD_BOLD, bcdm_rows, row

from clipbio.data.sources import BoldSource


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


def test_a_package_with_other_files_beside_the_table(tmp_path: Path) -> None:
    files = {
        "b/data.tsv": tabbed(BCDM, bcdm_rows()[:1]),
        "b/readme.txt": "x",
        "__MACOSX/b/._data.tsv": "x",
        "b/._data.tsv": "x",
    }
    assert [s.id for s in BoldSource(write_zip(tmp_path / "package.zip", files))] == ["A1"]
