"""Preparing in parts: the same bytes as at once, whatever was interrupted."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import MakeTable, encoded, rows_of
from test_prepare import Listed, files_of, made

from clipbio.data.manifest import Manifest
from clipbio.data.prepare import merge_parts, prepare_part
from clipbio.data.sources import TableSource
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

SMALL = {"samples_per_shard": 3, "bytes_per_shard": 6000, "max_defect_share": 0.5}


@pytest.fixture
def table(make_table: MakeTable) -> Path:
    """Give a table of three splits with unusable rows, an unusable image, a mask that does not fit and texts."""
    rows = [
        row | {"split": ("train", "test", "train", "unseen")[i % 4], "mask": ""} for i, row in enumerate(rows_of(23))
    ]
    rows[4]["image"] = "gone.jpg"
    rows[9]["specimen_id"] = rows[8]["specimen_id"]
    rows[12]["mask"] = "images/13.jpg"
    names = [{"scientific_name": "Pica hudsonia", "common_name": "Elster"}, {"scientific_name": "", "common_name": "x"}]
    root = make_table(rows, common_names=names)
    (root / "images/6.jpg").write_bytes(b"<html>404</html>")
    return root


def in_parts(root: Path, out: Path, parts: int, order: list[int] | None = None) -> Manifest:
    for part in order or range(parts):
        prepare_part(TableSource(root), out, part, parts, progress=False, **SMALL)
    return merge_parts(TableSource(root), out, parts)


@pytest.mark.parametrize(("parts", "order"), [(1, None), (2, None), (3, [2, 0, 1]), (40, None)])
def test_parts_give_the_bytes_of_a_serial_preparation(
    table: Path, tmp_path: Path, parts: int, order: list[int] | None
) -> None:
    serial = made(TableSource(table), tmp_path / "serial", **SMALL)
    assert in_parts(table, tmp_path / "parts", parts, order) == serial
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "serial")
    assert serial.defects["missing_image"]["count"] == serial.defects["not_an_image"]["count"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"serial", "parts", "table"}


@given(st.lists(st.sampled_from(["train", "test", "unseen"]), min_size=1, max_size=30), st.integers(1, 7))
@settings(deadline=None, max_examples=25)
def test_any_mixture_of_splits(tmp_path_factory: pytest.TempPathFactory, splits: list[str], parts: int) -> None:
    folder = tmp_path_factory.mktemp("parts")
    source = Listed([Specimen(str(i), Taxon(genus="Pica"), dna="ACGT", split=split) for i, split in enumerate(splits)])
    made(source, folder / "serial", samples_per_shard=3)
    for part in range(parts):
        prepare_part(source, folder / "parts", part, parts, progress=False, samples_per_shard=3)
    merge_parts(source, folder / "parts", parts)
    assert files_of(folder / "parts") == files_of(folder / "serial")


@pytest.mark.parametrize("stop", range(1, 20, 6))
def test_an_interrupted_part_keeps_what_was_finished(table: Path, tmp_path: Path, stop: int) -> None:
    class Interrupted(TableSource):
        def __iter__(self) -> Any:
            for number, specimen in enumerate(super().__iter__()):
                if number == stop:
                    raise KeyboardInterrupt
                yield specimen

    with pytest.raises(KeyboardInterrupt):
        prepare_part(Interrupted(table), tmp_path / "parts", 0, 2, progress=False, **SMALL)
    folder = tmp_path / "parts.parts"
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*-??????/000000.tar")}
    with pytest.raises(ClipbioError, match=r"2 of 2 parts are not finished \(0, 1\): run part=0 first"):
        merge_parts(TableSource(table), tmp_path / "parts", 2)
    prepare_part(TableSource(table), tmp_path / "parts", 0, 2, progress=False, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "a finished chunk was written again"
    in_parts(table, tmp_path / "parts", 2)
    made(TableSource(table), tmp_path / "serial", **SMALL)
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "serial")


def _job(root: Path, out: Path, part: int) -> None:
    prepare_part(TableSource(root), out, part, 3, progress=False, **SMALL)  # type: ignore[arg-type]


def test_jobs_at_the_same_time(table: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_job, args=(table, tmp_path / "parts", part)) for part in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    merge_parts(TableSource(table), tmp_path / "parts", 3)
    made(TableSource(table), tmp_path / "serial", **SMALL)
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "serial")


def test_a_finished_part_is_not_read_again(table: Path, tmp_path: Path) -> None:
    prepare_part(TableSource(table), tmp_path / "out", 0, 2, progress=False, **SMALL)

    class Unread(TableSource):
        def __iter__(self) -> Any:
            raise AssertionError("read again")

    prepare_part(Unread(table), tmp_path / "out", 0, 2, progress=False, **SMALL)


def test_what_does_not_belong_together_is_refused(table: Path, tmp_path: Path) -> None:
    source = TableSource(table)
    with pytest.raises(ClipbioError, match="no part was prepared"):
        merge_parts(source, tmp_path / "out", 2)
    prepare_part(source, tmp_path / "out", 0, 2, progress=False, **SMALL)
    with pytest.raises(ClipbioError, match="begun with another parts"):
        prepare_part(source, tmp_path / "out", 0, 3, progress=False, **SMALL)
    with pytest.raises(ClipbioError, match="begun with another options"):
        prepare_part(source, tmp_path / "out", 1, 2, progress=False, samples_per_shard=5)
    with pytest.raises(ClipbioError, match=r"part=2 must lie between 0 and 1"):
        prepare_part(source, tmp_path / "out", 2, 2, progress=False, **SMALL)
    (table / "images/0.jpg").write_bytes(encoded(77, size=(30, 30)))
    with pytest.raises(ClipbioError, match="begun with another fingerprint"):
        prepare_part(TableSource(table), tmp_path / "out", 1, 2, progress=False, **SMALL)
    with pytest.raises(ClipbioError, match="begun with another fingerprint"):
        merge_parts(TableSource(table), tmp_path / "out", 2)


def test_a_damaged_chunk_is_told(table: Path, tmp_path: Path) -> None:
    for part in range(2):
        prepare_part(TableSource(table), tmp_path / "out", part, 2, progress=False, **SMALL)
    tar = tmp_path / "out.parts/train-000000/000000.tar"
    tar.write_bytes(tar.read_bytes()[:-512])
    with pytest.raises(ClipbioError, match=r"train-000000/000000\.tar has \d+ bytes instead of"):
        merge_parts(TableSource(table), tmp_path / "out", 2)
    tar.unlink()
    with pytest.raises(ClipbioError, match=r"train-000000/000000\.tar is gone"):
        merge_parts(TableSource(table), tmp_path / "out", 2)


def test_too_many_defects_in_a_part(make_table: MakeTable, tmp_path: Path) -> None:
    root = make_table(rows_of(8))
    for number in range(4):
        (root / f"images/{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(ClipbioError, match="records are unusable"):
        prepare_part(TableSource(root), tmp_path / "out", 0, 2, progress=False, samples_per_shard=4)
