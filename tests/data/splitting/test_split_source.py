from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from records import ListSource, record

from clipbio.data.prepare import prepare
from clipbio.data.sources.base import expected_total
from clipbio.data.splitting import PUBLISHED, Hashed, SplitSource, SplitTable
from clipbio.errors import ClipbioError

FOUND = [record(f"s{n}", image=None, dna="ACGT" * (n + 1)) for n in range(30)]


def table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["specimen_id", "split"], *rows])
    return path


def test_a_split_source_is_a_source(tmp_path) -> None:
    inner = ListSource(FOUND)
    source = SplitSource(inner, Hashed(shares={"train": 0.5, "test": 0.5}))
    manifest = prepare(source, tmp_path / "out", progress=False)
    assert {name: counts["samples"] for name, counts in manifest.splits.items()}.keys() == {"train", "test"}
    assert manifest.samples == 30
    rule = {"scheme": "hashed", "shares": {"train": 0.5, "test": 0.5}, "by": ["group"], "seed": 0}
    assert json.loads((tmp_path / "out" / "split.json").read_text()) == rule
    assert [one.split for one in source] == [one.split for one in source]
    assert list(source.species_texts()) == list(inner.species_texts())
    assert expected_total(source) is None


def test_the_fingerprint_knows_the_rule_and_the_records() -> None:
    def made(seed=0, found=FOUND, **settings_):
        return SplitSource(
            ListSource(found), Hashed(shares={"train": 0.5, "test": 0.5}, seed=seed, **settings_)
        ).fingerprint()

    assert made() == made()
    assert len({made(), made(seed=1), made(by="barcode"), made(found=FOUND[:-1])}) == 4
    assert made(by=["barcode", "group"]) == made(by=["group", "barcode"])


def test_a_source_that_changes_between_the_passes_is_refused() -> None:
    inner = ListSource(FOUND)
    source = SplitSource(inner, Hashed(shares={"train": 1.0}))
    assert len(list(source)) == 30
    inner.specimens.pop()
    with pytest.raises(ClipbioError, match="gave 30 records, then only 29"):
        list(source)
    inner.specimens.insert(3, record("new"))
    with pytest.raises(ClipbioError, match="'new' was not there in the first pass"):
        list(source)


def test_an_empty_source_gives_nothing() -> None:
    assert list(SplitSource(ListSource([]), Hashed(shares={"train": 1.0}, by=["group", "barcode"]))) == []


def test_a_table_gives_the_splits_and_what_it_lacks_is_left_out_and_counted(tmp_path) -> None:
    path = table(tmp_path / "splits.csv", [["s1", "test"], ["s0", "train"], ["elsewhere", "val"]])
    source = SplitSource(ListSource(FOUND[:3]), SplitTable(path))
    assert {one.id: one.split for one in source} == {"s0": "train", "s1": "test"}
    assert source.defects.counts == {"no_split": 1, "unknown_id": 1}
    assert source.defects.skipped == 1
    assert str(source.defects.of("unknown_id")[0]) == "splits.csv row 4: no record has the id 'elsewhere'"


def test_what_the_table_lacks_may_go_to_a_split(tmp_path) -> None:
    path = table(tmp_path / "splits.csv", [["s1", "test"]])
    source = SplitSource(ListSource(FOUND[:3]), SplitTable(path, missing="train"))
    assert [one.split for one in source] == ["train", "test", "train"]
    assert source.defects.skipped == 0
    assert "2 records are not in it and went to train" in source.defects.summary()


def test_a_parquet_table_with_published_names(tmp_path) -> None:
    columns = {"specimen_id": ["s0", "s1"], "split": ["train", "unseen"], PUBLISHED: ["pretrain", "test_unseen"]}
    pq.write_table(pa.table(columns), tmp_path / "splits.parquet")
    source = SplitSource(ListSource(FOUND[:2]), SplitTable(tmp_path / "splits.parquet"))
    assert [(one.split, one.metadata[PUBLISHED]) for one in source] == [
        ("train", "pretrain"),
        ("unseen", "test_unseen"),
    ]


def test_published_names_of_splits_are_understood_and_kept(tmp_path) -> None:
    path = table(tmp_path / "splits.csv", [["s0", "pretrain"], ["s1", "test_unseen"], ["s2", "val"]])
    source = SplitSource(ListSource(FOUND[:3]), SplitTable(path))
    assert [(one.split, one.metadata[PUBLISHED]) for one in source] == [
        ("train", "pretrain"),
        ("unseen", "test_unseen"),
        ("val", "val"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["s0", "tset"]], "row 2 has the unknown split 'tset'; did you mean 'test'"),
        ([["s0", "test"], ["s0", "train"]], "row 3 gives 's0' a second, different split"),
        ([["s0", "test", "x"]], "wrong_width .*must be whole"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, rows, message) -> None:
    path = table(tmp_path / "splits.csv", rows)
    with pytest.raises(ClipbioError, match=message):
        list(SplitSource(ListSource(FOUND), SplitTable(path)))


def test_a_missing_table_and_a_wrong_remainder_are_refused(tmp_path) -> None:
    with pytest.raises(ClipbioError, match=r"splits\.csv is not there; make it with"):
        SplitTable(tmp_path / "splits.csv")
    path = table(tmp_path / "splits.csv", [["s0", "test"]])
    with pytest.raises(ClipbioError, match=r"split\.missing='trian' is no split; did you mean 'train'"):
        SplitTable(path, missing="trian")
