from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from insect_files import BARCODES, cells, tables, write_hdf5_mat, write_insect
from tables import encoded

from clipbio.cli import main
from clipbio.data.manifest import Manifest
from clipbio.data.sources import InsectSource
from clipbio.errors import ClipbioError

SPLITS = ["train", "train", "train", "val_unseen", "test", "unseen"]


def test_specimens_with_barcodes_alone(tmp_path):
    source = InsectSource(write_insect(tmp_path))
    found = list(source)
    assert [one.id for one in found] == [f"BC_{row:03d}" for row in range(6)]
    assert [one.split for one in found] == SPLITS
    assert [one.dna for one in found] == BARCODES[:6]
    assert found[0].taxon.ranks == ("Animalia", "Arthropoda", "Insecta", "", "", "Aus", "bus")
    assert (found[0].group_id, found[1].group_id) == ("B1", "B1")
    assert dict(found[3].metadata) == {"published_split": "val", "class_number": "3"}
    assert source.defects.counts == {"no_image_no_dna": 1}
    assert source.total == 7


def test_images_are_found_in_folders_of_species_and_a_missing_one_is_counted(tmp_path):
    for row, species in enumerate(["Aus bus", "Aus bus", "Cus dus", "Cus fus", "Aus bus"]):
        (tmp_path / "images" / species).mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / species / f"BC_{row:03d}.{'JPG' if row else 'jpg'}").write_bytes(encoded(row))
    ids = cells([f"BC_{row:03d}{'.jpg' if row == 1 else ''}" for row in range(7)])
    source = InsectSource(write_insect(tmp_path / "INSECT", ids=ids).parent, images=tmp_path / "images")
    found = list(source)
    assert [one.image.name if isinstance(one.image, Path) else None for one in found] == [
        "BC_000.jpg", "BC_001.JPG", "BC_002.JPG", "BC_003.JPG", "BC_004.JPG", None,
    ]  # fmt: skip
    assert source.defects.counts == {"missing_image": 1, "no_image_no_dna": 1}


def test_aligned_barcodes_and_training_on_the_validation_species(tmp_path):
    found = list(InsectSource(write_insect(tmp_path), aligned=True, trainval=True))
    assert found[0].dna == "--ACGTAC-"
    assert [one.split for one in found[:4]] == ["train"] * 4
    assert found[3].metadata["published_split"] == "val"


def test_a_provisional_species_keeps_its_name_as_label(tmp_path):
    found = list(InsectSource(write_insect(tmp_path, nucleotides=cells(["ACGT"] * 7))))
    assert (found[6].taxon.genus, found[6].taxon.species, found[6].label) == ("Cus", "", "Cus sp. 4")


def test_matlab_73_gives_the_same_specimens(tmp_path):
    write_insect(tmp_path / "old")
    (tmp_path / "new").mkdir()
    for name, values in zip(("res101.mat", "att_splits.mat"), tables(), strict=True):
        write_hdf5_mat(tmp_path / "new" / name, values)
    assert list(InsectSource(tmp_path / "new")) == list(InsectSource(tmp_path / "old"))


def test_matlab_73_without_h5py_names_the_extra(tmp_path, monkeypatch):
    write_insect(tmp_path)
    write_hdf5_mat(tmp_path / "res101.mat", tables()[0])
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ClipbioError, match=r"MATLAB 7\.3, which needs h5py; pip install 'clipbio\[hdf5\]'"):
        InsectSource(tmp_path)


def test_rows_without_a_list_and_repeated_ids_are_counted(tmp_path):
    ids = cells(["a", "b", "a", "c", "d", "e", "f"])
    source = InsectSource(write_insect(tmp_path, ids=ids, val_loc=np.zeros((1, 0))))
    assert [one.id for one in source] == ["a", "b", "d", "e"]
    assert source.defects.counts == {"duplicate_id": 1, "no_split": 1, "no_image_no_dna": 1}


def test_species_may_be_named_once_for_each_class_and_ids_may_be_numbers(tmp_path):
    ids = np.empty((7, 1), dtype=object)
    for row in range(7):
        ids[row, 0] = np.array([[row + 10]])
    names = cells(["Aus bus", "Cus dus", "Cus fus", "Cus gus", "Cus sp. 4"])
    found = list(InsectSource(write_insect(tmp_path, species=names, ids=ids)))
    assert [(one.id, one.taxon.scientific_name) for one in found[:3]] == [
        ("10", "Aus bus"), ("11", "Aus bus"), ("12", "Cus dus"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"nucleotides": None}, "has no variable 'nucleotides'; did you mean 'nucleotides_aligned'"),
        ({"ids": np.ones((7, 1))}, "'ids' is no cell array of texts"),
        ({"labels": np.full((7, 1), 1.5)}, "'labels' holds numbers that are not whole"),
        ({"labels": cells(["a"] * 7)}, "'labels' is no array of numbers"),
        ({"nucleotides": cells(["A"] * 6)}, "the numbers of rows differ: ids 7, species 7, dna 6"),
        ({"train_loc": np.array([[0, 1]])}, "train_loc counts from 1 to 7, it holds 0 to 1"),
        ({"val_loc": np.array([[3]])}, "row 3 stands in train_loc and in val_loc"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, more, message):
    with pytest.raises(ClipbioError, match=message) as error:
        InsectSource(write_insect(tmp_path, **more))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no matlab file", b"MATLAB 5.0 MAT-file" + bytes(200), b"MATLAB 7.3"])
def test_a_damaged_file_is_told(tmp_path, content):
    write_insect(tmp_path)
    (tmp_path / "res101.mat").write_bytes(content)
    with pytest.raises(ClipbioError, match="cannot be read as a MATLAB file"):
        InsectSource(tmp_path)
    (tmp_path / "res101.mat").unlink()
    with pytest.raises(ClipbioError, match="is not there"):
        InsectSource(tmp_path)


def test_the_fingerprint_changes_with_settings_and_files(tmp_path):
    root = write_insect(tmp_path)
    prints = {InsectSource(root).fingerprint(), InsectSource(root, aligned=True).fingerprint()}
    write_insect(tmp_path, val_loc=np.zeros((1, 0)))
    assert len(prints | {InsectSource(root).fingerprint()}) == 3


def test_the_command_makes_shards_of_insect(tmp_path):
    root, out = write_insect(tmp_path / "data"), tmp_path / "shards"
    settings = [f"source.root={root}", f"out={out}", "options.max_defect_share=0.5"]
    assert main(["prepare", "source=insect", *settings]) == 0
    splits = Manifest.load(out).splits
    assert {name: counts["samples"] for name, counts in splits.items()} == {
        "train": 3, "val_unseen": 1, "test": 1, "unseen": 1,
    }  # fmt: skip
