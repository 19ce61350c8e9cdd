"""GBIF's simple export."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from exports import tabbed, write_folder, write_pictures, write_zip
from published_tables import GBIF, gbif_table, row

from clipbio.data.sources import GbifSource


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
