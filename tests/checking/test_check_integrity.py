from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tables import MakeTable, encoded, rows_of

from clipbio.checking.check import CheckReport, check
from clipbio.checking.console import render
from clipbio.data.prepare import prepare
from clipbio.data.sources import TableSource
from clipbio.data.writer import file_entry
from clipbio.errors import ClipbioError

Members = list[tuple[str, bytes]]


@pytest.fixture
def shards(make_table: MakeTable, tmp_path: Path) -> Path:
    """Five sound samples in two shards."""
    prepare(TableSource(make_table(rows_of(5))), tmp_path / "shards", samples_per_shard=3, progress=False)
    return tmp_path / "shards"


def found(report: CheckReport) -> dict[str, int]:
    return dict(sorted(report.findings.counts.items()))


def rewrite(root: Path, change: Callable[[Members], Members]) -> None:
    """Change the members of the first shard, and the manifest with them, as an honest but careless tool would."""
    path = root / "train/shard-000000.tar"
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar.getmembers()]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for name, data in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    values = json.loads((root / "manifest.json").read_text())
    values["shards"][0] |= asdict(file_entry(path))
    (root / "manifest.json").write_text(json.dumps(values))


def same_length(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new.ljust(len(old)))


def test_a_sound_folder_has_no_findings(shards: Path) -> None:
    report = check(shards)
    assert found(report) == {}
    assert (report.numbers["totals"]["specimens"], report.numbers["totals"]["images_opened"]) == (5, 5)
    assert report.failure(strict=True) == ""


@pytest.mark.parametrize(("keep", "whole"), [(0, 0), (512, 0), (700, 0), (4096, 1), (-1, 3)])
def test_a_truncated_tar_is_called_so(shards: Path, keep: int, whole: int) -> None:
    path = shards / "train/shard-000000.tar"
    path.write_bytes(path.read_bytes()[:keep])
    report = check(shards)
    assert report.findings.counts["truncated_shard"] == 1
    assert "damaged_shard" not in report.findings.counts
    assert len(report.findings) <= 2, "one cause is not told in many ways"
    assert len(report.records) == 2 + whole, "the other shard, and the sound part of this one"
    assert report.failure(strict=False), "damage fails without being asked for"


def test_missing_extra_and_changed_shards(shards: Path) -> None:
    first, second = shards / "train/shard-000000.tar", shards / "train/shard-000001.tar"
    (shards / "train/shard-000009.tar").write_bytes(first.read_bytes())
    data = bytearray(second.read_bytes())
    data[600] ^= 1  # inside the first image
    second.write_bytes(bytes(data))
    first.unlink()
    report = check(shards)
    assert found(report) == {"extra_shard": 1, "missing_shard": 1, "wrong_hash": 1, "wrong_image": 1}
    assert report.findings.of("missing_shard")[0].where == "train/shard-000000.tar"
    assert "bird-3" in report.findings.of("wrong_image")[0].message


def test_a_tar_cut_before_the_manifest_was_made_is_damaged(shards: Path) -> None:
    path = shards / "train/shard-000000.tar"
    path.write_bytes(path.read_bytes()[:3000])
    values = json.loads((shards / "manifest.json").read_text())
    values["shards"][0] |= asdict(file_entry(path))
    (shards / "manifest.json").write_text(json.dumps(values))
    assert check(shards).findings.counts["damaged_shard"] == 1


def test_a_jpeg_whose_body_is_cut_is_found_by_decoding(make_table: MakeTable, tmp_path: Path) -> None:
    root = make_table(rows_of(3))
    (root / "images/1.jpg").write_bytes(encoded(1, size=(300, 300))[:20_000])
    manifest = prepare(TableSource(root), tmp_path / "shards", progress=False)
    assert manifest.samples == 3, "the header is sound"
    assert found(check(tmp_path / "shards", decode=False)) == {}
    report = check(tmp_path / "shards")
    assert found(report) == {"undecodable_image": 1}
    assert "key 000000001" in report.findings.of("undecodable_image")[0].where
    assert "bird-1" in report.findings.of("undecodable_image")[0].message
    assert found(check(root, decode=False)) == {}
    report = check(root)
    assert found(report) == {"broken_image": 1}
    assert report.numbers["totals"]["specimens"] == 2, "prepare would leave it out"


def test_a_json_without_species(shards: Path) -> None:
    rewrite(shards, lambda members: [(n, d.replace(b'"species":', b'"spezies":')) for n, d in members])
    report = check(shards)
    assert found(report) == {"record_without_species": 3}
    assert "'bird-0' has no species, the index says Pica hudsonia" in str(
        report.findings.of("record_without_species")[0]
    )


def test_bad_records(shards: Path) -> None:
    def change(members: Members) -> Members:
        members[1] = (members[1][0], b"{" + members[1][1][1:-1] + b" ")
        members[3] = (members[3][0], same_length(members[3][1], b'"bird-1"', b'"bird-X"'))
        members[5] = (members[5][0], members[5][1].replace(b'"specimen_id"', b'"specimen_ID"'))
        return members

    rewrite(shards, change)
    assert found(check(shards)) == {"bad_record": 2, "wrong_id": 1}


def test_a_sample_without_record_and_a_moved_one(shards: Path) -> None:
    rewrite(shards, lambda members: [member for member in members if member[0] != "000000001.json"])
    report = check(shards)
    assert found(report) == {"bad_record": 1, "wrong_offset": 2}


def test_keys_with_dots_and_foreign_members(shards: Path) -> None:
    rewrite(shards, lambda members: [*members, ("Quercus_sp._1.jpg", encoded(0)), ("000000002.pickle", b"x")])
    report = check(shards)
    assert {"unknown_member", "not_in_index", "wrong_count"} <= set(report.findings.counts)
    assert "first dot" in report.findings.of("unknown_member")[0].message


def test_links_are_refused(shards: Path) -> None:
    path = shards / "train/shard-000000.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("000000000.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    report = check(shards)
    assert found(report)["missing_samples"] == 1
    assert "3 samples of the index are not there, the first is 'bird-0'" in str(
        report.findings.of("missing_samples")[0]
    )


def test_duplicate_ids_unknown_splits_and_a_changed_index(shards: Path) -> None:
    path = shards / "index.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[3]["id"] = "bird-0"
    rows[4]["split"] = "tset"
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    report = check(shards)
    assert found(report) == {"changed_file": 1, "duplicate_id": 1, "unknown_split": 1, "wrong_id": 1}
    assert "'bird-0' stands there 2 times" in report.findings.of("duplicate_id")[0].message


def test_an_index_that_is_gone_or_garbage(shards: Path) -> None:
    (shards / "index.parquet").write_bytes(b"garbage")
    (shards / "texts.parquet").write_bytes(b"garbage")
    assert found(check(shards)) == {"changed_file": 2, "damaged_file": 2}
    (shards / "index.parquet").unlink()
    report = check(shards)
    assert report.findings.counts["missing_file"] == 1
    assert len(report.records) == 5


def test_records_without_name_are_a_warning(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [{"specimen_id": f"a{i}", "image": f"images/{i}.jpg", "genus": "Pica" if i else ""} for i in range(2)]
    root = make_table(rows)
    prepare(TableSource(root), tmp_path / "shards", progress=False)
    for report in (check(tmp_path / "shards"), check(root)):
        assert found(report) == {"unnamed": 1}
        assert (report.errors, report.warnings) == (0, 1)
        assert report.failure(strict=False) == ""
        assert report.failure(strict=True) == "0 errors, 1 warnings"


def test_a_table_is_checked_without_writing(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(5)
    rows[1]["specimen_id"] = "bird-0"
    rows[2]["image"] = "images/[gone].jpg"
    texts = [{"scientific_name": "Acer rubrum", "description": "a tree"}]
    root = make_table(rows, descriptions=texts)
    (root / "images/[gone].jpg").unlink()
    (root / "images/3.jpg").write_bytes(b"no image")
    before = sorted(tmp_path.rglob("*"))
    report = check(root)
    assert sorted(tmp_path.rglob("*")) == before
    assert found(report) == {"duplicate_id": 1, "missing_image": 1, "not_an_image": 1, "text_without_specimen": 1}
    assert report.numbers["totals"]["specimens"] == 2
    assert (report.errors, report.warnings) == (3, 1)
    console = Console(file=io.StringIO(), width=200)
    render(report, console)
    assert report.failure(strict=False) == "", "what prepare leaves out is told, and no failure"
    assert report.failure(strict=True)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "specimens.csv row 4" in drawn
    assert "images/[gone].jpg" in drawn
    assert "3 errors, 1 warnings" in drawn


def test_neither_shards_nor_table(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="neither a shard folder"):
        check(tmp_path)


def test_a_damaged_manifest_is_one_clear_line(shards: Path) -> None:
    (shards / "manifest.json").write_text("{")
    with pytest.raises(ClipbioError, match=r"manifest\.json is damaged"):
        check(shards)


def test_only_the_first_findings_are_kept(make_table: MakeTable) -> None:
    report = check(make_table(rows_of(30, image="gone.jpg")))
    assert report.findings.counts == {"missing_image": 30}
    assert len(report.findings.of("missing_image")) == 10


def test_real_data_lose_nothing_and_hold_ten_copies(shared_data: Path) -> None:
    report = check(shared_data / "leeds-butterflies")
    assert found(report) == {"duplicate_across_splits": 7, "near_identical_images": 10}
    assert ["0060029", "0060154"] in [[one.id for one in group.members] for group in report.groups]
    assert report.numbers["totals"]["with_mask"] == len(report.records) == 832
