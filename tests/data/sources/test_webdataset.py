"""Foreign shards as a source of `prepare`."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign import bioclip_samples, tree_of_life, write_tar
from tables import MakeTable, encoded, rows_of

from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.sources import TableSource, WebdatasetSource
from clipbio.errors import ClipbioError


def test_records_come_without_reading_images(tmp_path: Path) -> None:
    source = WebdatasetSource(str(tree_of_life(tmp_path / "tol")))
    specimens = list(source)
    assert [one.split for one in specimens] == ["train"] * 30 + ["val"] * 6
    assert len({one.id for one in specimens}) == 36
    assert [one.id for one in source] == [one.id for one in specimens]
    samples = dict(bioclip_samples(36))
    for one in specimens[::7]:
        assert callable(one.image)
        assert one.image() == samples[one.id]["jpg"]
    (tmp_path / "tol/224x224/train/shard-000000.tar").write_bytes(b"")
    assert callable(specimens[0].image)
    with pytest.raises(OSError, match=r"shard-000000\.tar ends inside '00000000-.*\.jpg'"):
        specimens[0].image()


def test_prepared_and_direct_tell_the_same(tmp_path: Path) -> None:
    root = tree_of_life(tmp_path / "tol")
    prepare(WebdatasetSource(str(root)), tmp_path / "shards", progress=False)
    prepared, direct = ShardFolder.open(tmp_path / "shards"), resolve(root, tmp_path / "cache", progress=False)
    for split in ("train", "val"):
        ours, theirs = prepared.index(split), direct.index(split)
        assert [ours.read(row) for row in range(len(ours))] == [theirs.read(row) for row in range(len(theirs))]
        assert ours.taxa == theirs.taxa
        assert (ours.taxon_NR[:] == theirs.taxon_NR[:]).all()


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    root = tree_of_life(tmp_path / "tol")
    before = WebdatasetSource(str(root)).fingerprint()
    assert WebdatasetSource(str(root)).fingerprint() == before
    write_tar(root / "224x224/val/shard-000000.tar", bioclip_samples(3))
    assert WebdatasetSource(str(root)).fingerprint() != before


def test_shards_of_prepare_keep_all_that_they_have(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(
        4, licence="CC0", common_name="magpie", place="Oslo", mask="images/mask.png", dna="ACGT", split="train"
    )
    rows[2] |= {"split": "val", "mask": ""}
    rows[3] |= {"split": "unseen", "mask": "", "image": ""}
    texts = [{"scientific_name": "Pica hudsonia", "description": "Long tail."}]
    root = make_table(rows, descriptions=texts)
    (root / "images/mask.png").write_bytes(encoded(0, "PNG", mode="1"))
    first = prepare(TableSource(root), tmp_path / "first", progress=False)
    source = WebdatasetSource(str(tmp_path / "first"))
    assert source.total == 4
    assert source.fingerprint() == first.hash
    second = prepare(source, tmp_path / "second", progress=False)
    assert (second.masks, second.images) == (2, 3)
    assert second.hash == first.hash
    assert not any(one.descriptions for one in source)
    assert [one.text for one in source.species_texts()] == ["Long tail."]


def test_shards_of_prepare_that_are_damaged_are_told(make_table: MakeTable, tmp_path: Path) -> None:
    manifest = prepare(TableSource(make_table(rows_of(3))), tmp_path / "shards", progress=False)
    shard = tmp_path / "shards" / manifest.shards[0].path
    source = WebdatasetSource(str(tmp_path / "shards"))
    *_, last = list(source)
    shard.write_bytes(bytes(shard.stat().st_size))
    assert callable(last.image)
    with pytest.raises(OSError, match="run 'python -m clipbio check'"):
        last.image()
    assert list(WebdatasetSource(str(tmp_path / "shards"))) == []


def test_class_names_beside_tars_tell_their_layout(tmp_path: Path) -> None:
    write_tar(tmp_path / "bench/test/0.tar", [("a", {"jpg": encoded(0), "cls": "1"})])
    (tmp_path / "bench/classnames.txt").write_text("Pica pica\nPica hudsonia\n")
    (found,) = WebdatasetSource(str(tmp_path / "bench"))
    assert (found.split, found.species) == ("test", "Pica hudsonia")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_no_shards_are_told(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "here")
    with pytest.raises(ClipbioError, match=r"here holds no shards: looked for \*\.tar, SPLIT"):
        WebdatasetSource(str(tmp_path / "here"))
