"""Published data sets in small: what stands in their files, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import published_sets as made
import pytest

from clipbio.data.sources import (
    Awa2Source,
    BioclipCsvSource,
    CubSource,
    FishnetSource,
    FolderSource,
    Herbarium19Source,
    InquireSource,
    NewtSource,
    expected_total,
)
from clipbio.errors import ClipbioError

SOURCES = [
    (BioclipCsvSource, made.taxa_csv, "test"),
    (CubSource, made.cub, "train test"),
    (NewtSource, made.newt, "train test"),
    (FishnetSource, made.fishnet, "train test"),
    (Awa2Source, made.awa2, "train test"),
    (Herbarium19Source, made.herbarium19, "train test"),
    (InquireSource, made.inquire, "val test"),
]


@pytest.mark.parametrize(("source", "write", "splits"), SOURCES, ids=lambda one: getattr(one, "__name__", None))
def test_every_source_reads_all_of_a_sound_set_and_knows_when_it_changes(tmp_path, source, write, splits) -> None:
    root = write(tmp_path / "set")
    read = source(root)
    found = list(read)
    assert len(found) == len({one.id for one in found}) == expected_total(read) > 0
    assert {one.split for one in found} == set(splits.split())
    assert not read.defects
    assert list(read.species_texts()) == []
    before = read.fingerprint()
    assert source(root).fingerprint() == before
    file = next(path for path in sorted(root.rglob("*")) if path.suffix in (".jpg", ".png", ".parquet"))
    file.write_bytes(file.read_bytes() + b"more")
    assert read.fingerprint() != before


@pytest.mark.parametrize(("source", "write", "splits"), SOURCES[:4], ids=lambda one: getattr(one, "__name__", None))
def test_a_picture_that_is_not_there_is_counted(tmp_path, source, write, splits) -> None:
    root = write(tmp_path / "set")
    total = len(list(source(root)))
    next(path for path in sorted(root.rglob("*.jpg"))).unlink()
    read = source(root)
    assert len(list(read)) == total - 1
    assert read.defects.counts == {"missing_image": 1}


@pytest.mark.parametrize(("source", "write", "splits"), SOURCES, ids=lambda one: getattr(one, "__name__", None))
def test_another_folder_is_refused(tmp_path, source, write, splits) -> None:
    with pytest.raises(ClipbioError, match=r"holds no|is not a folder"):
        source(tmp_path)
    with pytest.raises(ClipbioError, match=r"is not a folder|holds no"):
        source(tmp_path / "nowhere")


def test_class_strings_of_the_bioclip_repository_stay_as_they_are(tmp_path: Path) -> None:
    found = list(BioclipCsvSource(made.labels_csv(tmp_path), classes="label"))
    assert [one.label for one in found[::2]] == ["Emiliania_huxleyi", "Tomato___Late_blight"]
    assert found[0].id == "Emiliania_huxleyi/0.png"
    assert all(one.taxon.is_empty and one.metadata == {} for one in found)


def test_ranks_with_cls_and_pictures_that_lie_elsewhere(tmp_path: Path) -> None:
    root = made.taxa_csv(tmp_path)
    first, _, jay = BioclipCsvSource(root)
    assert (first.taxon.class_, first.taxon.scientific_name) == ("Aves", "Pica hudsonia")
    assert (first.common_names, first.label) == (("black-billed magpie",), "Pica hudsonia")
    assert first.image == root / "dataset/a/m1.jpg"
    assert jay.common_names == ()
    as_labels = next(iter(BioclipCsvSource(root, classes="label")))
    assert as_labels.taxon.is_empty
    assert as_labels.metadata["family"] == "Corvidae"
    made.picture(root, "dataset/c/m1.jpg")
    read = BioclipCsvSource(root)
    assert (len(list(read)), read.defects.counts) == (2, {"missing_image": 1})


def test_camera_traps_have_the_rank_class_and_labels_where_the_species_is_not_known(tmp_path: Path) -> None:
    root = made.camera_csv(tmp_path, "ENA24")
    magpie, _, rat = BioclipCsvSource(root, csv="ENA24-balanced.csv", images="data/test/ENA24")
    assert (magpie.taxon.class_, magpie.taxon.scientific_name) == ("Aves", "Pica hudsonia")
    assert (magpie.group_id, magpie.metadata["url_gcp"]) == ("s1", "gs://x/1")
    assert (rat.taxon.scientific_name, rat.taxon.genus, rat.label) == ("", "Rattus", "rat")


def test_nan_is_empty_and_an_index_of_the_class_is_kept(tmp_path: Path) -> None:
    text = f"x,class_idx,{made.RANKS},common_name,filepath,class\n7,3,Animalia,,,,,Pica,nan,nan,a.jpg,None\n"
    made.write(made.picture(tmp_path, "a.jpg"), {"metadata.csv": text})
    (one,) = BioclipCsvSource(tmp_path)
    assert (one.taxon.deepest, one.common_names, one.label) == (("genus", "Pica"), (), "None")
    assert one.metadata == {"class_idx": "3"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (",class\n0,a\n", "the column 'filepath' is missing"),
        (",filepath,colour\n0,a.jpg,red\n", "names no class"),
        (",filepath,genus\n0,a.jpg,Pica\n", "has no column 'class'"),
    ],
)
def test_tables_that_name_nothing_are_refused(tmp_path: Path, text: str, told: str) -> None:
    made.write(tmp_path, {"metadata.csv": text})
    with pytest.raises(ClipbioError, match=told):
        BioclipCsvSource(tmp_path, classes="label" if "genus" in text else "taxon")


def test_cub_and_nabirds(tmp_path: Path) -> None:
    albatross = next(iter(CubSource(made.cub(tmp_path / "cub"))))
    assert (albatross.label, albatross.split) == ("Black footed Albatross", "train")
    titmouse, hummingbird, _ = CubSource(made.nabirds(tmp_path / "nabirds"), split="test")
    assert {titmouse.split, hummingbird.split} == {"test"}
    assert (titmouse.rights_holder, hummingbird.rights_holder) == ("Ann Other", "")
    assert hummingbird.label == "Broad-billed Hummingbird (Adult Male)"
    assert hummingbird.common_names == ("Broad-billed Hummingbird",)
    assert hummingbird.metadata == {"image_id": "b-b", "class_idx": "372", "parents": ["Hummingbirds", "Birds"]}


def test_defects_of_the_lists_of_cub(tmp_path: Path) -> None:
    root = made.nabirds(tmp_path)
    made.write(root, {"image_class_labels.txt": "a-a 817\nb-b 5\n"})
    read = CubSource(root)
    assert (len(list(read)), read.defects.counts) == (1, {"no_class": 2})
    made.write(root, {"hierarchy.txt": "817 22\n22 817\n", "image_class_labels.txt": "a-a 817\n"})
    with pytest.raises(ClipbioError, match="is above itself"):
        list(CubSource(root))
    made.write(root, {"classes.txt": "817\n"})
    with pytest.raises(ClipbioError, match="row 1 is '817', and must hold an id and a value"):
        list(CubSource(root))


def test_newt(tmp_path: Path) -> None:
    root = made.newt(tmp_path)
    first = next(iter(NewtSource(root)))
    assert (first.id, first.split, first.label) == ("ml_age_hawk/ml_age_hawk-0", "train", "neg")
    assert first.metadata == {
        "newt_task": "ml_age_hawk", "newt_cluster": "appearance", "newt_subcluster": "age", "newt_label": 0,
    }  # fmt: skip
    last = list(NewtSource(root))[-1]
    assert "newt_subcluster" not in last.metadata
    with (root / "newt2021_labels.csv").open("a") as file:
        file.write("\nx,appearance,,t,2,neg,train,8,8")
    read = NewtSource(root)
    assert (len(list(read)), read.defects.counts) == (16, {"unusable_row": 1})


def test_fishnet(tmp_path: Path) -> None:
    found = list(FishnetSource(made.fishnet(tmp_path)))
    assert found[0].metadata["traits"]["FeedingPath"] == 0
    assert (found[1].metadata["traits"]["FeedingPath"], found[1].metadata["traits"]["Boreal"]) == (1, 1)
    assert (found[1].taxon.scientific_name, found[0].taxon.genus) == ("Diplodus sargus", "Diplodus")
    assert [one.id for one in found if not one.metadata] == ["train/Sparidae/train5.jpg", "test/Sparidae/test5.jpg"]


def test_awa2(tmp_path: Path) -> None:
    root = made.awa2(tmp_path)
    bear = next(one for one in Awa2Source(root) if one.label == "grizzly bear")
    assert bear.metadata == {"traits": {"black": 1, "white": 0, "big": 1}}
    assert {one.label: one.split for one in Awa2Source(root)}["horse"] == "test"
    made.write(root, {"classes.txt": "antelope\ngrizzly+bear\nhorse\n"})
    assert len(list(Awa2Source(root))) == 6
    made.write(root, {"predicate-matrix-binary.txt": "0 1 0\n1 0\n1 1 1\n"})
    with pytest.raises(ClipbioError, match="row 2 is not one of 3 zeros and ones, for 3 classes"):
        list(Awa2Source(root))
    made.write(root, {"testclasses.txt": "zebra\n", "predicate-matrix-binary.txt": "0 1 0\n1 0 1\n1 1 1\n"})
    with pytest.raises(ClipbioError, match=r"testclasses.txt: 'zebra' is not in classes.txt"):
        list(Awa2Source(root))


def test_old_and_new_classes_of_herbarium19(tmp_path: Path) -> None:
    root = made.herbarium19(tmp_path)
    # The published numbers count the folders in the order of their names: 0, 1, 10, 2.
    expected = {"0": "old", "1": "new", "10": "old", "2": "new"}
    assert {one.label: one.metadata["class_set"] for one in Herbarium19Source(root)} == expected
    made.write(root, {"class_splits.json": json.dumps({"Old": [0, 9], "New": [1, 3]})})
    with pytest.raises(ClipbioError, match="class '9' is no folder of small-train"):
        list(Herbarium19Source(root))
    made.write(root, {"class_splits.json": json.dumps({"Old": [0], "New": [1, 3]})})
    with pytest.raises(ClipbioError, match="says of class '10' neither old nor new"):
        list(Herbarium19Source(root))
    made.write(root, {"class_splits.json": "[1]"})
    with pytest.raises(ClipbioError, match=r"must be \{\"Old\""):
        list(Herbarium19Source(root))
    (root / "class_splits.json").unlink()
    made.write(root, {"class_splits.csv": "class,set\n0,Old\n1,new\n2,old\n3,odd\n"})
    with pytest.raises(ClipbioError, match="class '3' is 'odd', and must be old or new"):
        list(Herbarium19Source(root))


def test_inquire(tmp_path: Path) -> None:
    found = list(InquireSource(made.inquire(tmp_path)))
    assert [one.id for one in found][:6] == ["000/0", "000/1", "000/2", "000/3", "001/0", "001/1"]
    bat = found[5]
    assert bat.metadata == {
        "query": "a bat at night", "query_type": "behavior", "category": "Night", "iconic_group": "Mammals",
        "relevant": 1,
    }  # fmt: skip
    assert (bat.taxon.scientific_name, bat.licence) == ("Myotis myotis", "CC-BY")
    assert isinstance(bat.image, bytes)


def test_chosen_folders_of_a_folder(tmp_path: Path) -> None:
    root = made.SETS["inat21"](tmp_path)
    found = list(FolderSource(root, splits={"val": "test"}))
    assert (len(found), {one.split for one in found}) == (6, {"test"})
    assert found[0].id.startswith("val/00000_Animalia")
    with pytest.raises(ClipbioError, match="holds no folder test"):
        FolderSource(root, splits={"test": "test"})
    with pytest.raises(ClipbioError, match=r"splits.val: unknown split 'tests'; did you mean 'test'"):
        FolderSource(root, splits={"val": "tests"})
