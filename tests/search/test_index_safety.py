"""Crashes, two writers, readers beside a writer, damaged files, and pictures that are none of ours."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_indexes import batch, encode, ids, make, specimen

from clipbio.errors import ClipbioError
from clipbio.search import Index
from clipbio.search.folder import IndexFolder
from clipbio.search.images import is_picture, read_original
from clipbio.search.lexical import Lexicon
from clipbio.search.manifest import About, Manifest
from clipbio.search.writing import IndexWriter
from clipbio.tensor_files import VectorFile


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to the system when it writes: that changes nothing that is read."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


class Killed(BaseException):
    """The process is no more."""


@contextmanager
def killed_at(step: int) -> Iterator[Callable[[], int]]:
    """Let the disk be changed `step` times, and no more: what a process leaves that is killed then."""
    done = 0

    def mortal(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done >= step:
                raise Killed
            done += 1
            return function(*args, **kwargs)

        return call

    places = [(Path, "mkdir"), (Path, "replace"), (Path, "write_bytes"), (shutil, "rmtree")]
    places += [(pq, "write_table"), (VectorFile, "_finish"), (Lexicon, "build")]
    with pytest.MonkeyPatch.context() as patch:
        for place, name in places:
            patch.setattr(place, name, mortal(getattr(place, name)))
        yield lambda: done


def append(path: Path) -> None:
    with IndexWriter.open(path) as writer:
        news = [specimen(1, licence="new"), specimen(7, descriptions=("Something new is written here.",))]
        writer.append([batch(news)], encode, replace=True)


def delete(path: Path) -> None:
    with IndexWriter.open(path) as writer:
        writer.delete([id for id in ("s0", "s2") if id in ids(IndexFolder.open(path))])


def compact(path: Path) -> None:
    with IndexWriter.open(path) as writer:
        writer.compact()


def overwrite(path: Path) -> None:
    with IndexWriter.create(path, About("other"), overwrite=True) as writer:
        writer.append([batch([specimen(20)])], encode)


@pytest.mark.parametrize("action", [append, delete, compact, overwrite])
def test_a_kill_at_any_step_leaves_the_old_index_or_the_new_one(tmp_path: Path, action: Callable[[Path], None]) -> None:
    base, path, done = tmp_path / "base", tmp_path / "index", tmp_path / "done"
    make(base, 4)
    delete_one(base)
    shutil.copytree(base, done)
    action(done)
    before, after = content(base), content(done)
    for step in range(200):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(base, path)
        try:
            with killed_at(step) as taken:
                action(path)
        except Killed:
            assert content(path) in (before, after)
        else:
            break
        action(path)
        assert content(path) == after
        # Nothing that was broken off is left.
        assert len(list(path.glob("*/0*"))) == len(IndexFolder.open(path).manifest.pieces)
    assert taken() > 5


def delete_one(path: Path) -> None:
    with IndexWriter.open(path) as writer:
        writer.delete(["s3"])


def content(path: Path) -> tuple[Any, ...]:
    folder = IndexFolder.open(path)
    licences = [folder.rows.record(row)["licence"] for row in range(len(folder)) if folder.alive_N[row]]
    return ids(folder), licences, folder.texts.descriptions.table["text"].to_pylist()


def test_a_second_writer_is_told_to_wait(tmp_path: Path) -> None:
    make(tmp_path / "index")
    with IndexWriter.open(tmp_path / "index") as first:
        with pytest.raises(ClipbioError, match="another process writes to the index"):
            IndexWriter.open(tmp_path / "index").__enter__()
        first.delete(["s1"])
    with IndexWriter.open(tmp_path / "index") as next_one:
        assert next_one.manifest.alive == 5


def test_a_reader_keeps_its_snapshot_whatever_is_written(tmp_path: Path) -> None:
    path = tmp_path / "index"
    reader = make(path)
    with IndexWriter.open(path) as writer:
        writer.append([batch([specimen(10, descriptions=("Something else is written here.",))])], encode)
        writer.delete(["s0", "s1"])
        writer.compact()
    assert ids(reader) == [f"s{number}" for number in range(6)]
    # None of these was read before its file was removed.
    assert reader.rows.record(1)["meta.year"] == 1901
    assert reader.picture(5) == b"s5"
    assert reader.vectors("image").of(0).shape == (8,)
    assert reader.texts.sentence(2).startswith("Leaves rough")
    assert ids(IndexFolder.open(path)) == ["s2", "s3", "s4", "s5", "s10"]


def test_opening_while_a_writer_removes_files_gives_the_newer_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    make(path)
    check, waiting = Manifest.check, [True]

    def check_later(manifest: Manifest, folder: Path, *, content: bool) -> None:
        if waiting and waiting.pop():
            with IndexWriter.open(path) as writer:
                writer.delete(["s2"])
                writer.compact()
        check(manifest, folder, content=content)

    monkeypatch.setattr(Manifest, "check", check_later)
    assert ids(IndexFolder.open(path)) == ["s0", "s1", "s3", "s4", "s5"]


def test_words_that_a_writer_removes_while_an_index_is_opened_are_those_of_the_newer_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index"
    make(path)
    load, waiting = Lexicon.load, [True]

    def load_later(folder: Path) -> Lexicon:
        if waiting and waiting.pop():
            with IndexWriter.open(path) as writer:
                writer.delete(["s2"])
                writer.compact()
        return load(folder)

    monkeypatch.setattr(Lexicon, "load", load_later)
    assert len(Index.open(path).folder) == 5
    shutil.rmtree(path / "texts")
    with pytest.raises(ClipbioError, match="the index is damaged"):
        Index.open(path)


@pytest.mark.parametrize("action", [append, delete, compact, overwrite])
def test_a_full_disk_is_one_sentence_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Callable[[Path], None]
) -> None:
    path = tmp_path / "index"
    make(path, 4)
    delete_one(path)
    before = content(path)

    def write_table(*given: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", write_table)
        with pytest.raises(ClipbioError, match=f"the index {path} cannot be written: No space left on device"):
            action(path)
    assert content(path) == before


def test_an_index_may_be_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "index")
    monkeypatch.chdir(tmp_path / "index")
    delete(Path())
    assert ids(IndexFolder.open(".")) == ["s1", "s3", "s4", "s5"]
    with IndexWriter.open("../index"), pytest.raises(ClipbioError, match="another process"):
        delete(Path())


def test_ids_that_are_empty_or_no_unicode_make_no_traceback(tmp_path: Path) -> None:
    make(tmp_path / "index")
    with IndexWriter.open(tmp_path / "index") as writer:
        with pytest.raises(ClipbioError, match="has no id"):
            writer.append([batch([specimen(9, id="")])], encode)
        writer.append([batch([specimen(9, id="a\ud800")])], encode)
    folder = IndexFolder.open(tmp_path / "index")
    assert [folder.row_of(id) for id in ("a\ud800", "a?", "\ud800")] == [6, 6, None]


def test_a_change_in_any_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path)
    delete_one(path)
    files = [one for one in path.glob("*/*/**/*") if one.is_file() and one.stat().st_size]
    assert len(files) > 10
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ClipbioError, match=rf"{file.name} is not what was written"):
            IndexFolder.open(path)
        file.write_bytes(content[:-1])
        with pytest.raises(ClipbioError, match=rf"{file.name} has {len(content) - 1} bytes"):
            IndexFolder.open(path, verify=False)
        file.write_bytes(content)
    files[0].unlink()
    with pytest.raises(ClipbioError, match="is missing"):
        IndexFolder.open(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, "has schema 9, this version reads 1"),
        ({"parts": [{"folder": "x"}]}, "is damaged"),
        ({"colour": "red"}, "is damaged"),
        ({"rows": 5}, "does not go with the files"),
        ({"rows": "many"}, "does not go with the files"),
        ({"texts": None}, "does not go with the files"),
    ],
)
def test_a_manifest_that_is_not_ours_is_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    make(tmp_path / "index")
    manifest = tmp_path / "index" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(ClipbioError, match=message):
        IndexFolder.open(tmp_path / "index")


JPEG = b"\xff\xd8\xff\xe0 a picture"


def test_only_pictures_inside_of_their_folder_are_read(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "below").mkdir(parents=True)
    (pictures / "below" / "a.jpg").write_bytes(JPEG)
    (pictures / "secret.txt").write_bytes(b"root:x:0")
    (tmp_path / "outside.jpg").write_bytes(JPEG)
    (pictures / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (pictures / "all.tar").write_bytes(b"header" + JPEG + b"tail")
    folder = str(pictures)
    assert read_original(folder, "below/a.jpg", 0, -1) == JPEG
    assert read_original(folder, "below/../below/a.jpg", 0, -1) == JPEG
    assert read_original(folder, "all.tar", 6, len(JPEG)) == JPEG
    for name in ("../outside.jpg", str(tmp_path / "outside.jpg"), "link.jpg", "secret.txt", "no.jpg", "below", "a\0b"):
        assert read_original(folder, name, 0, -1) is None
    assert read_original(folder, "below/a.jpg", 0, -1, largest=5) is None
    assert read_original(folder, "all.tar", 6, 10_000) is None
    assert read_original(folder, "all.tar", 5, 10) is None


@pytest.mark.parametrize(
    ("start", "fits"),
    [
        (b"\x89PNG\r\n\x1a\n", True),
        (b"RIFF\x10\0\0\0WEBPVP8 ", True),
        (b"II*\0\x08\0\0\0", True),
        (b"BM\x46\0\0\0\0\0\0\0", True),
        (b"RIFF\x10\0\0\0WAVE", False),
        (b"BMW is a car", False),
        (b"<svg xmlns=", False),
        (b"GIF89a", False),
        (b"", False),
    ],
)
def test_pictures_are_known_by_their_content(start: bytes, fits: bool) -> None:
    assert is_picture(start) is fits
