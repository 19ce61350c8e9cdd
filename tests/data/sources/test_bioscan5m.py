from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pytest
from bioscan_tables import COLUMNS_5M, row_5m, write_5m
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import encoded

from clipbio.data.prepare import prepare
from clipbio.data.sources import Bioscan5mSource, expected_total
from clipbio.errors import ClipbioError

ROWS = [
    row_5m("A1", "pretrain", "0f", species="", genus=""),
    row_5m("A2", "train", "3"),
    row_5m("A3", "val"),
    row_5m("A4", "test"),
    row_5m("A5", "key_unseen", species="Megaselia sp. 1ABC"),
    row_5m("A6", "val_unseen", species="Megaselia sp. 1ABC"),
    row_5m("A7", "test_unseen", species="Megaselia sp. 1ABC"),
    row_5m("A8", "other_heldout", "b", species="Megaselia sp. 2DEF"),
]


@pytest.mark.parametrize("below", ["bioscan5m", "."])
def test_the_published_layout_is_read(tmp_path: Path, below: str) -> None:
    source = Bioscan5mSource(write_5m(tmp_path, ROWS, below=below))
    found = list(source)
    assert [specimen.split for specimen in found] == [
        *("train", "train", "val", "test", "key_unseen", "val_unseen", "unseen")
    ]
    assert [specimen.metadata["published_split"] for specimen in found] == [row["split"] for row in ROWS[:7]]
    second = found[1]
    images = tmp_path / below / "images" / "cropped_256"
    assert (found[0].image, second.image) == (images / "pretrain/0f/A1.jpg", images / "train/3/A2.jpg")
    assert found[2].image == images / "val/A3.jpg"
    assert (second.id, second.bin, second.dna) == ("A2", "BOLD:AAA0001", "ACGTN")
    assert second.taxon.ranks == ("Animalia", "Arthropoda", "Insecta", "Diptera", "Phoridae", "Megaselia", "rufipes")
    assert (second.label, second.licence) == ("", "CC-BY-3.0")
    assert {"sampleid": "BIOUG-A2", "coord-lat": "52.5", "inferred_ranks": "0"}.items() <= second.metadata.items()
    assert not {"split", "chunk", "country"} & second.metadata.keys()
    assert (found[4].species, found[4].taxon.deepest) == ("Megaselia sp. 1ABC", ("genus", "Megaselia"))


def test_splits_that_are_not_read_are_counted_and_are_no_defects(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_5m(tmp_path, ROWS)
    source = Bioscan5mSource(root)
    with caplog.at_level(logging.INFO):
        assert len(list(source)) == expected_total(source) == 7
    assert source.not_read == {"other_heldout": 1}
    assert not source.defects
    assert "1 other_heldout" in caplog.text
    heldout = Bioscan5mSource(root, splits=["other_heldout"])
    assert [(specimen.id, specimen.split) for specimen in heldout] == [("A8", "unseen")]
    assert heldout.not_read.total() == len(ROWS) - 1
    assert len(list(heldout)) == 1
    assert heldout.not_read.total() == len(ROWS) - 1, "a second reading counts anew"


def test_unusable_rows_are_counted_with_their_row(tmp_path: Path) -> None:
    rows = [*ROWS[:3], row_5m("A2", "val"), row_5m("", "val"), row_5m("A9", "trian"), row_5m("B1", "val")]
    source = Bioscan5mSource(write_5m(tmp_path, rows))
    (tmp_path / "bioscan5m/images/cropped_256/val/B1.jpg").unlink()
    assert [specimen.id for specimen in source] == ["A1", "A2", "A3"]
    assert source.defects.counts == dict.fromkeys(("duplicate_id", "missing_id", "unknown_split", "missing_image"), 1)
    assert expected_total(source) == 7
    assert [str(source.defects.of(kind)[0]) for kind in ("duplicate_id", "missing_image")] == [
        "BIOSCAN_5M_Insect_Dataset_metadata.csv row 5: 'A2' is already the id of row 3",
        "BIOSCAN_5M_Insect_Dataset_metadata.csv row 8: the image val/B1.jpg is not there",
    ]


@pytest.mark.parametrize("identity", ["../../../evil", "/etc/evil", "a/../../../../../evil"])
def test_an_image_outside_the_folder_is_not_read(tmp_path: Path, identity: str) -> None:
    root = write_5m(tmp_path / "data", [ROWS[2]])
    (tmp_path / "evil.jpg").write_bytes(encoded(1))
    table = root / "bioscan5m/metadata/csv/BIOSCAN_5M_Insect_Dataset_metadata.csv"
    table.write_text(table.read_text().replace("A3,", f"{identity},", 1))
    source = Bioscan5mSource(root)
    assert list(source) == []
    assert source.defects.counts == {"missing_image": 1}


def test_barcodes_alone_and_other_places(tmp_path: Path) -> None:
    root = write_5m(tmp_path / "data", ROWS)
    assert {specimen.image for specimen in Bioscan5mSource(root, image_package=None)} == {None}
    elsewhere = (root / "bioscan5m/images/cropped_256").rename(tmp_path / "pictures")
    table = root / "bioscan5m/metadata/csv/BIOSCAN_5M_Insect_Dataset_metadata.csv"
    table.rename(root / "flies.csv")
    (first, *_) = Bioscan5mSource(root, images=elsewhere, metadata="flies.csv")
    assert first.image == elsewhere / "pretrain/0f/A1.jpg"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splits": ["tset"]}, "did you mean 'test'"),
        ({"splits": []}, "no split is chosen"),
        ({"image_package": "cropped"}, "no images 'cropped' of BIOSCAN-5M; looked for bioscan5m/images/cropped"),
        ({"metadata": "nothing.csv"}, "looked for nothing.csv"),
    ],
)
def test_settings_that_cannot_be_met_are_told(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    root = write_5m(tmp_path, ROWS)
    with pytest.raises(ClipbioError, match=message):
        Bioscan5mSource(root, **settings)


def test_a_split_without_a_row_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="no row of the split test; not read: 1 val"):
        list(Bioscan5mSource(write_5m(tmp_path, ROWS[2:3]), splits=["test"]))


def test_the_fingerprint_follows_table_images_and_splits(tmp_path: Path) -> None:
    root = write_5m(tmp_path, ROWS)
    first = Bioscan5mSource(root).fingerprint()
    assert Bioscan5mSource(root).fingerprint() == first
    assert Bioscan5mSource(root, splits=["val"]).fingerprint() != first
    (root / "bioscan5m/images/cropped_256/val/A3.jpg").write_bytes(encoded(99, size=(30, 30)))
    assert Bioscan5mSource(root).fingerprint() != first


def test_shards_are_made_of_it(tmp_path: Path) -> None:
    source = Bioscan5mSource(write_5m(tmp_path / "data", ROWS))
    manifest = prepare(source, tmp_path / "shards", progress=False)
    assert {name: counts["samples"] for name, counts in manifest.splits.items()} == {
        **{"train": 2, "val": 1, "test": 1, "unseen": 1, "val_unseen": 1, "key_unseen": 1}
    }
    assert (manifest.images, manifest.barcodes) == (7, 7)


def test_a_row_of_several_lines_is_counted_once(tmp_path: Path) -> None:
    root = write_5m(tmp_path, ROWS)
    table = root / "bioscan5m/metadata/csv/BIOSCAN_5M_Insect_Dataset_metadata.csv"
    odd = ["\r", *([""] * (len(COLUMNS_5M) - 1))]
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS_5M, odd, list(ROWS[0].values())])
    source = Bioscan5mSource(root)
    found = list(source)
    assert "quoted_rows" in source.defects.counts
    assert len(found) + source.defects.skipped == expected_total(source)


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*(row["split"] for row in ROWS), "A1", "A2", "0f", "nan", "\0", "../..", "sp. 1", "Megaselia"]),
)


@given(rows=st.lists(st.lists(CELLS, min_size=20, max_size=24), max_size=4), raw=st.binary(max_size=40))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_breaks_the_reading(tmp_path: Path, rows: list[list[str]], raw: bytes) -> None:
    root = tmp_path / "data"
    table = root / "bioscan5m/metadata/csv/BIOSCAN_5M_Insect_Dataset_metadata.csv"
    if not root.exists():
        write_5m(root, ROWS)
    with table.open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([COLUMNS_5M, *rows])
    with table.open("ab") as file:
        file.write(raw)
    try:
        source = Bioscan5mSource(root)
        found = list(source)
    except ClipbioError:
        return
    assert len(found) + source.defects.skipped == expected_total(source)
    assert source.fingerprint()
