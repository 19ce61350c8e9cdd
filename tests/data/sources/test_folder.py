from __future__ import annotations

import os
from pathlib import Path

import pytest
from exports import write_pictures

from clipbio.data.sources import FolderSource, expected_total
from clipbio.errors import ClipbioError

CORVID = "03111_Animalia_Chordata_Aves_Passeriformes_Corvidae_Pica_hudsonia"
WORM = "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris"


def test_folders_of_inat21_give_seven_ranks(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "inat", [f"train/{WORM}/b.jpg", f"train/{WORM}/a.jpg", f"val/{CORVID}/c.jpg"])
    source = FolderSource(root)
    first, second, bird = source
    assert first.taxon.ranks == (
        "Animalia", "Annelida", "Clitellata", "Haplotaxida", "Lumbricidae", "Lumbricus", "terrestris",
    )  # fmt: skip
    assert (first.id, first.image, first.label) == (f"train/{WORM}/a.jpg", root / f"train/{WORM}/a.jpg", "")
    assert (second.id, second.split) == (f"train/{WORM}/b.jpg", "train")
    assert (bird.taxon.scientific_name, bird.split) == ("Pica hudsonia", "val")
    assert expected_total(source) == 3
    assert list(source.species_texts()) == []


@pytest.mark.parametrize(
    ("folder", "name", "label"),
    [
        ("Quercus robur", "Quercus robur", ""),
        ("Quercus_robur", "Quercus robur", ""),
        ("Quercus × rosacea Bechst.", "Quercus rosacea", ""),
        ("012.Quercus_robur_subsp._robur", "Quercus robur", ""),
        ("Quercus cf. robur", "", "Quercus cf. robur"),
        ("001.Black_footed_Albatross", "", "Black footed Albatross"),
        ("Magpie", "", "Magpie"),
        ("7", "", "7"),
        ("unknown", "", ""),
    ],
)
def test_names_of_class_folders(tmp_path: Path, folder: str, name: str, label: str) -> None:
    (specimen,) = FolderSource(write_pictures(tmp_path / "root", [f"{folder}/a.jpg"]))
    assert (specimen.taxon.scientific_name, specimen.label) == (name, label)


def test_common_names_and_plain_labels(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "root", ["Blue jay/a.jpg"])
    (common,) = FolderSource(root, names="common")
    assert (common.label, common.common_names, common.taxon.is_empty) == ("Blue jay", ("Blue jay",), True)
    (label,) = FolderSource(root, names="label")
    assert (label.label, label.common_names) == ("Blue jay", ())


def test_nested_folders_of_ranks(tmp_path: Path) -> None:
    names = ["Fagaceae/Quercus/robur/a.jpg", "Fagaceae/Quercus/sp. 1/b.jpg", "Fagaceae/Quercus/c.jpg"]
    source = FolderSource(write_pictures(tmp_path / "root", names), levels=["family", "genus", "species"])
    oak, doubtful = source
    assert (oak.taxon.family, oak.taxon.scientific_name, oak.label) == ("Fagaceae", "Quercus robur", "")
    assert (doubtful.taxon.deepest, doubtful.label) == (("genus", "Quercus"), "sp. 1")
    assert source.defects.counts == {"wrong_depth": 1}


def test_splits_are_all_folders_with_pictures_or_none(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "root", ["Test/a.jpg", "Pica pica/b.jpg", ".cache/x/c.jpg"])
    with pytest.raises(ClipbioError, match=r"root: Test would be splits, Pica pica would not; rename or move"):
        list(FolderSource(root))
    root = write_pictures(tmp_path / "split", ["validation/Pica pica/a.jpg", "Testing/b.jpg", ".cache/x/c.jpg"])
    (root / "annotations" / "empty").mkdir(parents=True)
    (root / "annotations" / "boxes.json").write_text("{}")
    source = FolderSource(root)
    assert [(s.split, s.species) for s in source] == [("val", "Pica pica")]
    assert source.defects.counts == {"no_class": 1}


def test_what_is_no_readable_picture(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "root", ["Pica pica/a.jpg", "Pica pica/deep/b.PNG", "stray.jpg"])
    (root / "Pica pica" / "c.heic").write_bytes(b"x")
    (root / "Pica pica" / "notes.txt").write_text("x")
    (root / "Pica pica" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    (root / "loop").symlink_to(root)
    source = FolderSource(root, names="label")
    assert [s.id for s in source] == ["Pica pica/a.jpg", "Pica pica/deep/b.PNG"]
    assert [s.label for s in source] == ["Pica pica", "deep"]
    assert source.defects.counts == {"no_class": 1, "unsupported_format": 1, "bad_encoding": 1}
    assert source.defects.of("unsupported_format")[0].where == "Pica pica/c.heic"
    assert source.fingerprint()


def test_the_fingerprint_follows_files_and_settings(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "root", ["Pica pica/a.jpg"])
    before = FolderSource(root).fingerprint()
    assert FolderSource(root).fingerprint() == before
    assert FolderSource(root, names="label").fingerprint() != before
    write_pictures(root, ["Pica pica/b.jpg"])
    assert FolderSource(root).fingerprint() != before


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="is not a folder"):
        FolderSource(tmp_path / "none")
    with pytest.raises(ClipbioError, match="'famly' is no rank; did you mean 'family'"):
        FolderSource(tmp_path, levels=["famly"])
    with pytest.raises(ClipbioError, match="names=scientifc is not known; did you mean 'scientific'"):
        FolderSource(tmp_path, names="scientifc")  # type: ignore[arg-type]
