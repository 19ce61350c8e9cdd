from __future__ import annotations

from pathlib import Path

import pytest
from bioscan_tables import PARTITIONS, row_1m, write_1m

from clipbio.data.sources import Bioscan1mSource, expected_total
from clipbio.errors import ClipbioError


def one_of_each(tmp_path: Path) -> Path:
    """Write one record for each partition of CLIBD, called like it."""
    return write_1m(tmp_path, [row_1m(name) for name in PARTITIONS], {name: [name] for name in PARTITIONS})


def test_the_split_of_clibd_is_read(tmp_path: Path) -> None:
    source = Bioscan1mSource(one_of_each(tmp_path))
    assert {specimen.id: specimen.split for specimen in source} == {
        "no_split": "train",
        "single_species": "train",
        "train_seen": "train",
        "val_seen": "val",
        "test_seen": "test",
        "seen_keys": "key",
        "val_unseen": "val_unseen",
        "test_unseen": "unseen",
        "val_unseen_keys": "key_unseen",
        "test_unseen_keys": "key_unseen",
    }
    assert all(specimen.metadata["published_split"] == specimen.id for specimen in source)
    assert (expected_total(source), source.not_read.total()) == (10, 0)


def test_the_columns_of_the_table_are_read(tmp_path: Path) -> None:
    row = row_1m("S1", species="Megaselia sp. 1ABC", subfamily="Metopininae")
    root = write_1m(tmp_path, [row], {"val_seen": ["S1"]})
    (specimen,) = Bioscan1mSource(root)
    assert (specimen.id, specimen.dna, specimen.bin) == ("S1", "ACGTN", "BOLD:AAA0001")
    assert specimen.image == root / "bioscan1m/images/cropped_256/part18/S1.jpg"
    assert specimen.taxon.ranks == ("Animalia", "Arthropoda", "Insecta", "Diptera", "Phoridae", "Megaselia", "")
    assert (specimen.label, specimen.split) == ("Megaselia sp. 1ABC", "val")
    assert (specimen.licence, specimen.rights_holder) == ("CC BY", "CBG Photography Group")
    assert specimen.metadata == {"processid": "P-S1", "subfamily": "Metopininae", "published_split": "val_seen"}


def test_what_is_not_classified_is_empty(tmp_path: Path) -> None:
    missing = dict.fromkeys(("uri", "family", "genus", "species", "nucraw"), "not_classified")
    (specimen,) = Bioscan1mSource(write_1m(tmp_path, [row_1m("S1", **missing)], {"no_split": ["S1"]}))
    assert (specimen.bin, specimen.dna, specimen.label) == ("", "", "")
    assert specimen.taxon.deepest == ("order", "Diptera")


def test_a_split_column_is_read(tmp_path: Path) -> None:
    rows = [row_1m(name, small_insect_order=name) for name in ("train", "validation", "test", "no_split")]
    root = write_1m(tmp_path, rows)
    source = Bioscan1mSource(root, split_column="small_insect_order")
    assert {specimen.id: specimen.split for specimen in source} == {
        "train": "train",
        "validation": "val",
        "test": "test",
    }
    assert source.not_read == {"no_split": 1}
    asked = Bioscan1mSource(root, split_column="small_insect_order", splits=["no_split", "test"])
    assert {specimen.id: specimen.split for specimen in asked} == {"no_split": "train", "test": "test"}


def test_records_of_no_partition_and_of_two(tmp_path: Path) -> None:
    rows = [row_1m(name) for name in ("S1", "S2", "S3")]
    source = Bioscan1mSource(write_1m(tmp_path, rows, {"train_seen": ["S1", "S2"], "test_seen": ["S2"]}))
    assert [specimen.id for specimen in source] == ["S1"]
    assert source.not_read == {"none": 1}
    assert str(source.defects.of("unknown_split")[0]).endswith("row 3: 'two partitions at once' is no published split")


def test_a_plain_folder_of_images_and_old_places(tmp_path: Path) -> None:
    root = one_of_each(tmp_path / "data")
    plain = (root / "bioscan1m/images/cropped_256/part18").rename(tmp_path / "plain")
    assert len(list(Bioscan1mSource(root, images=plain))) == 10
    with_parts = tmp_path / "parts"
    with_parts.mkdir()
    plain.rename(with_parts / "part18")
    assert len(list(Bioscan1mSource(root, images=with_parts))) == 10
    # Releases of the package up to 1.1 wanted the table beside the folder `bioscan`.
    (root / "bioscan1m/BIOSCAN_Insect_Dataset_metadata.tsv").rename(root / "BIOSCAN_Insect_Dataset_metadata.tsv")
    (root / "bioscan1m").rename(root / "bioscan")
    (root / "bioscan/images/cropped_256").rmdir()
    with_parts.rename(root / "bioscan/images/cropped_256")
    assert len(list(Bioscan1mSource(root, partitions="bioscan/CLIBD_partitioning"))) == 10
    assert {s.image for s in Bioscan1mSource(root, image_package=None, partitions="bioscan/CLIBD_partitioning")} == {
        None
    }


def test_what_is_missing_is_told_with_a_way_out(tmp_path: Path) -> None:
    root = write_1m(tmp_path, [row_1m("S1")])
    with pytest.raises(ClipbioError, match=r"no_split.txt is not there.*or choose split_column=large_diptera_family"):
        Bioscan1mSource(root)
    with pytest.raises(ClipbioError, match="did you mean 'small_insect_order'"):
        Bioscan1mSource(root, split_column="small_insects_order")
    with pytest.raises(ClipbioError, match="did you mean 'validation'"):
        Bioscan1mSource(root, split_column="small_insect_order", splits=["validaton"])


def test_partition_files_that_are_not_text(tmp_path: Path) -> None:
    root = one_of_each(tmp_path)
    (root / "bioscan1m/CLIBD_partitioning/val_seen.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClipbioError, match=r"val_seen.txt is not UTF-8"):
        Bioscan1mSource(root)


def test_without_images_a_barcode_is_needed(tmp_path: Path) -> None:
    root = write_1m(tmp_path, [row_1m("S1"), row_1m("S2", nucraw="not_classified")], {"val_seen": ["S1", "S2"]})
    source = Bioscan1mSource(root, image_package=None)
    assert [specimen.id for specimen in source] == ["S1"]
    assert source.defects.counts == {"no_image_no_dna": 1}


def test_the_fingerprint_follows_the_scheme(tmp_path: Path) -> None:
    root = write_1m(tmp_path, [row_1m("S1")])
    schemes = ("large_diptera_family", "small_diptera_family")
    assert len({Bioscan1mSource(root, split_column=name).fingerprint() for name in schemes}) == 2
    alone = Bioscan1mSource(root, split_column=schemes[0], image_package=None)
    assert alone.fingerprint() != Bioscan1mSource(root, split_column=schemes[0]).fingerprint()


def test_the_fingerprint_follows_the_partitions(tmp_path: Path) -> None:
    root = one_of_each(tmp_path)
    first = Bioscan1mSource(root).fingerprint()
    path = root / "bioscan1m/CLIBD_partitioning/val_seen.txt"
    path.write_text(path.read_text() + "another\n")
    assert Bioscan1mSource(root).fingerprint() != first
