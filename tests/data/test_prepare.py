from __future__ import annotations

import datetime
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tables import MakeTable, encoded, rows_of, write_csv

from clipbio.data.defects import Defects
from clipbio.data.manifest import Manifest
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import TableSource
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon


class Listed:
    """A source of the specimens it is given; an exception among them is raised."""

    def __init__(self, items: list[Specimen | BaseException]) -> None:
        self.items, self.defects = items, Defects()

    def __iter__(self) -> Iterator[Specimen]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item

    def __len__(self) -> int:
        return len(self.items)

    def species_texts(self) -> list[SpeciesText]:
        return []

    def fingerprint(self) -> str:
        return "listed"


def made(source: Any, out: Path, **settings: Any) -> Manifest:
    return prepare(source, out, progress=False, **settings)


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_image_bytes_come_back_untouched(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(4, mask="")
    rows[3] |= {"image": "", "dna": "ACGT"}
    rows = [{"dna": ""} | row for row in rows]
    root = make_table(rows)
    # The content decides about the format, not the name of the file.
    contents = [encoded(0), encoded(1, "PNG"), encoded(2, "WEBP")]
    for number, content in enumerate(contents):
        (root / f"images/{number}.jpg").write_bytes(content)
    mask = encoded(9, "PNG", mode="1")
    (root / "images/mask.png").write_bytes(mask)
    rows[0]["mask"] = "images/mask.png"
    write_csv(root / "specimens.csv", rows)
    made(TableSource(root), tmp_path / "shards")
    index = ShardFolder.open(tmp_path / "shards").index("train")
    assert [index.read(row).image for row in range(4)] == [*contents, None]
    assert [index.read(row).mask for row in range(4)] == [mask, None, None, None]
    assert index.read(3).dna == "ACGT"
    with tarfile.open(tmp_path / "shards/train/shard-000000.tar") as tar:
        assert tar.getnames() == [
            *("000000000.jpg", "000000000.json", "000000000.mask.png"),
            *("000000001.json", "000000001.png", "000000002.json", "000000002.webp", "000000003.json"),
        ]


def test_two_preparations_are_equal_byte_for_byte(make_table: MakeTable, tmp_path: Path) -> None:
    names = [{"scientific_name": "Pica hudsonia", "common_name": "Elster"}]
    root = make_table(rows_of(5), common_names=names)
    for out in ("one", "two"):
        made(TableSource(root), tmp_path / out, samples_per_shard=2)
    one = files_of(tmp_path / "one")
    assert one == files_of(tmp_path / "two")
    assert set(one) == {"README.md", "manifest.json", "index.parquet", "texts.parquet"} | {
        f"train/shard-{number:06d}.tar" for number in range(3)
    }


def test_tar_headers_tell_nothing_of_the_machine(make_table: MakeTable, tmp_path: Path) -> None:
    made(TableSource(make_table(rows_of(2))), tmp_path / "shards")
    with tarfile.open(tmp_path / "shards/train/shard-000000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "clipbio", "clipbio", 0o644)
    }
    assert all(not m.pax_headers for m in members)


def test_webdataset_reads_the_shards(make_table: MakeTable, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    root = make_table(rows_of(3))
    made(TableSource(root), tmp_path / "shards")
    dataset = webdataset.WebDataset(str(tmp_path / "shards/train/shard-000000.tar"), shardshuffle=False)
    samples = list(dataset)
    assert [json.loads(sample["json"])["specimen_id"] for sample in samples] == ["bird-0", "bird-1", "bird-2"]
    assert samples[1]["jpg"] == (root / "images/1.jpg").read_bytes()


def test_manifest_and_index_tell_what_there_is(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [
        row | {"split": split, "sex": "f"} for row, split in zip(rows_of(7), ["train"] * 5 + ["test"] * 2, strict=True)
    ]
    out = tmp_path / "shards"
    manifest = made(TableSource(make_table(rows)), out, samples_per_shard=2)
    assert manifest == Manifest.load(out)
    assert manifest.splits == {"train": {"samples": 5, "shards": 3}, "test": {"samples": 2, "shards": 1}}
    assert (manifest.samples, manifest.images, manifest.taxa, manifest.unnamed) == (7, 7, 1, 0)
    assert {"image", "specimen_id", "sex"} <= set(manifest.columns)
    for shard in manifest.shards:
        assert (out / shard.path).stat().st_size == shard.bytes
    table = pq.read_table(out / "index.parquet").to_pylist()
    assert [row["key"] for row in table] == [f"{number:09d}" for number in range(7)]
    with tarfile.open(out / table[4]["shard"]) as tar:
        assert tar.getmembers()[0].offset == table[4]["offset"]


def test_shards_are_closed_at_their_size(make_table: MakeTable, tmp_path: Path) -> None:
    manifest = made(TableSource(make_table(rows_of(6))), tmp_path / "shards", bytes_per_shard=6000)
    assert [shard.samples for shard in manifest.shards] == [2, 2, 2]
    single = made(TableSource(make_table(rows_of(2), "two")), tmp_path / "single", bytes_per_shard=1)
    assert [shard.samples for shard in single.shards] == [1, 1], "a sample that is too large still gets its shard"


@pytest.mark.parametrize("name", ["Quercus_sp._1", "Müller/Ж 12.jpg", "a.b.c", "__meta__", "../../etc/passwd", "🦋"])
def test_dotted_and_foreign_ids(make_table: MakeTable, tmp_path: Path, name: str) -> None:
    rows = rows_of(2)
    rows[0]["specimen_id"] = name
    made(TableSource(make_table(rows)), tmp_path / "shards")
    index = ShardFolder.open(tmp_path / "shards").index("train")
    assert list(index.ids) == [name, "bird-1"]
    assert index.read(0).id == name
    assert list(index.keys) == ["000000000", "000000001"]


def test_bad_images_are_skipped_and_counted(make_table: MakeTable, tmp_path: Path) -> None:
    root = make_table(rows_of(6))
    (root / "images/0.jpg").write_bytes(b"")
    (root / "images/1.jpg").write_bytes(b"<html>404</html>")
    (root / "images/2.jpg").write_bytes(encoded(2, "TIFF"))
    (root / "images/3.jpg").write_bytes(encoded(3, "PNG")[:-30])
    (root / "images/4.jpg").write_bytes(encoded(4, size=(200, 200)))
    manifest = made(TableSource(root), tmp_path / "shards", max_defect_share=0.9, max_pixels=1000)
    assert manifest.samples == 1
    counts = {kind: entry["count"] for kind, entry in manifest.defects.items()}
    assert counts == {"not_an_image": 2, "unsupported_format": 1, "broken_image": 1, "too_many_pixels": 1}
    assert "bird-2" in manifest.defects["unsupported_format"]["first"][0]
    assert "reencode=jpeg" in manifest.defects["unsupported_format"]["first"][0]


def test_re_encoding_happens_only_where_it_is_asked_for(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [row | {"mask": ""} for row in rows_of(4)]
    rows[2]["mask"] = "images/mask.png"
    root = make_table(rows)
    (root / "images/1.jpg").write_bytes(encoded(1, "TIFF"))
    (root / "images/2.jpg").write_bytes(encoded(2, size=(100, 40)))
    (root / "images/mask.png").write_bytes(encoded(9, "PNG", size=(100, 40), mode="1"))
    (root / "images/3.jpg").write_bytes(encoded(3, "PNG", mode="RGBA"))
    made(TableSource(root), tmp_path / "shards", reencode="jpeg", max_side=50)
    index = ShardFolder.open(tmp_path / "shards").index("train")
    assert index.read(0).image == (root / "images/0.jpg").read_bytes()
    opened = [Image.open(io.BytesIO(index.read(row).image or b"")) for row in range(4)]
    assert [image.format for image in opened] == ["JPEG"] * 4
    assert [image.size for image in opened] == [(24, 16), (24, 16), (50, 20), (24, 16)]
    assert Image.open(io.BytesIO(index.read(2).mask or b"")).size == (50, 20)


def test_orientation_survives_re_encoding(tmp_path: Path) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 30)).save(buffer, "JPEG", exif=exif)
    made(Listed([Specimen("a", Taxon(), buffer.getvalue())]), tmp_path / "shards", max_side=20)
    image = ShardFolder.open(tmp_path / "shards").index("train").read(0).image
    opened = Image.open(io.BytesIO(image or b""))
    assert (opened.size, opened.getexif()[0x0112]) == ((20, 10), 6)


def test_masks_that_do_not_fit_are_left_out(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [row | {"mask": f"images/mask{i}.png"} for i, row in enumerate(rows_of(2))]
    root = make_table(rows)
    (root / "images/mask0.png").write_bytes(encoded(0, "PNG", size=(5, 5), mode="1"))
    (root / "images/mask1.png").write_bytes(encoded(0, "JPEG"))
    manifest = made(TableSource(root), tmp_path / "shards")
    assert (manifest.samples, manifest.masks) == (2, 0)
    assert manifest.defects["bad_mask"]["count"] == 2


def test_too_many_defects_stop_before_anything_stands_there(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(4)
    rows[1]["image"] = "gone.jpg"
    source = TableSource(make_table(rows))
    with pytest.raises(ClipbioError, match=r"1 of 4 records are unusable.*max_defect_share=0\.1.*row 3.*gone\.jpg"):
        made(source, tmp_path / "out" / "shards")
    assert list((tmp_path / "out").iterdir()) == []
    assert made(source, tmp_path / "out" / "shards", max_defect_share=0.25).samples == 3


def test_nothing_usable_is_an_error_whatever_is_allowed(make_table: MakeTable, tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"no usable record: 2 missing_image"):
        made(TableSource(make_table(rows_of(2, image="gone.jpg"))), tmp_path / "shards", max_defect_share=1)
    with pytest.raises(ClipbioError, match="no usable record: none"):
        made(Listed([]), tmp_path / "shards")


def test_records_without_any_name_are_kept_and_counted(tmp_path: Path) -> None:
    named = Specimen("a", Taxon(genus="Pica"), encoded(0))
    manifest = made(Listed([named, Specimen("b", Taxon(), encoded(1))]), tmp_path / "shards")
    assert (manifest.samples, manifest.unnamed) == (2, 1)
    assert "'b'" in manifest.defects["unnamed"]["first"][0]
    assert ShardFolder.open(tmp_path / "shards").index("train").read(1).id == "b"


def test_metadata_of_other_types_is_written(tmp_path: Path) -> None:
    values = {"petals": np.int64(5), "seen": datetime.date(2020, 1, 2), "sizes": [1.5, 2]}
    made(Listed([Specimen("a", Taxon(), encoded(0), metadata=values)]), tmp_path / "shards")
    read = ShardFolder.open(tmp_path / "shards").index("train").read(0)
    assert read.metadata == {"petals": 5, "seen": "2020-01-02", "sizes": [1.5, 2]}
    with pytest.raises(ClipbioError, match="specimen 'b' cannot be written as JSON"):
        made(Listed([Specimen("b", Taxon(), encoded(0), metadata={"size": "\ud800"})]), tmp_path / "half")


def test_numbers_that_are_not_finite_are_no_metadata(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    values = {"size": nan, "area": -inf, "mass": np.float32("nan"), "petals": 5}
    values |= {"sizes": [1.5, inf], "both": {"a": (nan, 1)}, "array": np.array([1.0, nan])}
    made(Listed([Specimen("a", Taxon(genus="Pica"), encoded(0), metadata=values)]), tmp_path / "shards")
    read = ShardFolder.open(tmp_path / "shards").index("train").read(0)
    assert read.taxon.genus == "Pica"
    assert read.metadata == {"petals": 5, "sizes": [1.5, None], "both": {"a": [None, 1]}, "array": [1.0, None]}


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("disk")])
def test_an_interrupted_preparation_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    source = Listed([Specimen("a", Taxon(), encoded(0)), failure])
    with pytest.raises(type(failure)):
        made(source, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_is_one_clear_line(tmp_path: Path) -> None:
    source = Listed([Specimen("a", Taxon(), encoded(0)), OSError(28, "No space left on device")])
    with pytest.raises(ClipbioError, match=r"preparing .*shards failed: .*No space left"):
        made(source, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_replacement_keeps_what_was_there(tmp_path: Path) -> None:
    made(Listed([Specimen("a", Taxon(), encoded(0))]), tmp_path / "shards")
    before = files_of(tmp_path)
    with pytest.raises(RuntimeError):
        made(Listed([Specimen("b", Taxon(), encoded(1)), RuntimeError("disk")]), tmp_path / "shards", overwrite=True)
    assert files_of(tmp_path) == before
    made(Listed([Specimen("b", Taxon(), encoded(1))]), tmp_path / "shards", overwrite=True)
    assert list(ShardFolder.open(tmp_path / "shards").index("train").ids) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    source = Listed([Specimen("a", Taxon(), encoded(0))])
    (tmp_path / "mine").mkdir()
    made(source, tmp_path / "mine")
    with pytest.raises(ClipbioError, match=r"already a shard folder.*overwrite=true"):
        made(source, tmp_path / "mine")
    (tmp_path / "yours").mkdir()
    (tmp_path / "yours/thesis.txt").write_text("years of work")
    with pytest.raises(ClipbioError, match="not empty and not a shard folder"):
        made(source, tmp_path / "yours", overwrite=True)
    with pytest.raises(ClipbioError, match="is a file"):
        made(source, tmp_path / "yours/thesis.txt", overwrite=True)


def test_an_unknown_split_of_any_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="specimen 'a' has the unknown split 'tset'; did you mean 'test'"):
        made(Listed([Specimen("a", Taxon(), encoded(0), split="tset")]), tmp_path / "shards")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples_per_shard": 0}, "samples_per_shard=0 must be at least 1"),
        ({"samples_per_shard": 1e3}, "samples_per_shard=1000.0 must be a whole number"),
        ({"bytes_per_shard": "1GB"}, "bytes_per_shard=1GB must be a whole number"),
        ({"max_pixels": None}, "max_pixels=None must be a whole number"),
        ({"quality": True}, "quality=True must be a whole number"),
        ({"max_defect_share": "abc"}, "max_defect_share=abc must be a number"),
        ({"max_side": "big"}, "max_side=big must be a whole number, or null"),
        ({"reencode": 5}, "reencode=5 must be one of jpeg, png, webp, or null"),
        ({"max_defect_share": 1.5}, "between 0 and 1"),
        ({"reencode": "jpg"}, "reencode=jpg is not a format of shards; did you mean 'jpeg'"),
        ({"quality": 0}, "between 1 and 100"),
        ({"max_side": 0}, "max_side=0"),
        ({"max_pixels": 10**9}, "more than 178956970, what is ever decoded"),
    ],
)
def test_settings_are_checked_before_anything_is_read(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        made(Listed([RuntimeError("read")]), tmp_path / "shards", **settings)
