"""Foreign shards as a source of `prepare`."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign import bioclip_samples, tree_of_life, write_tar

from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.sources import WebdatasetSource
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
        assert (ours.taxon_NR == theirs.taxon_NR).all()


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    root = tree_of_life(tmp_path / "tol")
    before = WebdatasetSource(str(root)).fingerprint()
    assert WebdatasetSource(str(root)).fingerprint() == before
    write_tar(root / "224x224/val/shard-000000.tar", bioclip_samples(3))
    assert WebdatasetSource(str(root)).fingerprint() != before


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_no_shards_are_told(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "here")
    with pytest.raises(ClipbioError, match=r"here holds no shards: looked for \*\.tar, SPLIT"):
        WebdatasetSource(str(tmp_path / "here"))
