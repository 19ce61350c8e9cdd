"""Checkpoints on the disk: written whole while training goes on."""

import multiprocessing
import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from made_checkpoints import same, state

from clipbio.checkpoint_files import BEST, LAST, PREVIOUS, read_checkpoint
from clipbio.errors import ClipbioError
from clipbio.training import atomic_checkpoints
from clipbio.training.atomic_checkpoints import AtomicCheckpoints, link, write_whole
from clipbio.training.recovery import recover_last


def test_what_is_written_in_the_background_is_the_state_at_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    write = atomic_checkpoints.write_whole

    def slowly(*args: Any, **options: Any) -> None:
        go.wait(20)
        write(*args, **options)

    given = state(3)
    AtomicCheckpoints().save_checkpoint(given, tmp_path / "now.ckpt")
    monkeypatch.setattr(atomic_checkpoints, "write_whole", slowly)
    writer = AtomicCheckpoints(asynchronous=True)
    writer.save_checkpoint(given, tmp_path / LAST)
    given["state_dict"]["a"].zero_()
    given["callbacks"]["scores"].append(4)
    assert not (tmp_path / LAST).exists()
    go.set()
    writer.finish()
    now, later = (read_checkpoint(path) for path in (tmp_path / "now.ckpt", tmp_path / LAST))
    assert same(now, later)
    assert later["callbacks"]["scores"] == [3]
    tied = later["state_dict"]
    assert tied["a"].data_ptr() == tied["tied"].data_ptr()


def test_a_third_copy_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, at_once, most = threading.Event(), [0], [0]
    write = atomic_checkpoints.write_whole

    def counted(*args: Any, **options: Any) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        go.wait(20)
        write(*args, **options)
        at_once[0] -= 1

    monkeypatch.setattr(atomic_checkpoints, "write_whole", counted)
    writer = AtomicCheckpoints(asynchronous=True)
    for step in (1, 2):
        writer.save_checkpoint(state(step), tmp_path / LAST)
    third = threading.Thread(target=lambda: writer.save_checkpoint(state(3), tmp_path / LAST))
    third.start()
    third.join(0.3)
    assert third.is_alive()
    go.set()
    third.join(20)
    writer.finish()
    assert most == [1]
    assert [read_checkpoint(tmp_path / name)["global_step"] for name in (PREVIOUS, LAST)] == [2, 3]


def _save_for_ever(folder: Path) -> None:
    writer = AtomicCheckpoints(asynchronous=True)
    for step in range(1, 10_000):
        writer.save_checkpoint(state(step, size=2_000_000), folder / LAST)


def test_a_kill_in_the_middle_of_a_write_leaves_both(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_save_for_ever, args=(tmp_path,))
    process.start()
    folder, deadline = (tmp_path / LAST).parent, time.monotonic() + 60
    try:
        while not ((tmp_path / PREVIOUS).exists() and [one for one in folder.glob(".last.*") if one.stat().st_size]):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert list(folder.glob(".last.*"))
    before, last = (read_checkpoint(tmp_path / name) for name in (PREVIOUS, LAST))
    for one in (before, last):
        assert same(one, state(one["global_step"], size=2_000_000))
    assert last["global_step"] - before["global_step"] <= 1
    assert recover_last(tmp_path) == ""
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "previous.ckpt"}


def _save_with_a_limit(folder: Path, asynchronous: bool, answers: Any) -> None:
    writer = AtomicCheckpoints(asynchronous=asynchronous)
    writer.save_checkpoint(state(1), folder / LAST)
    writer.finish()
    # What a full disk does to a file that grows; Python ignores the signal, as with any error of writing.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        writer.save_checkpoint(state(2, size=1_000_000), folder / LAST)
        writer.finish()
    except ClipbioError as error:
        answers.put(str(error))
    else:
        answers.put("written")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_write_that_fails_halfway_leaves_what_was_there(asynchronous: bool, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_save_with_a_limit, args=(tmp_path, asynchronous, answers))
    process.start()
    process.join(60)
    message = answers.get()
    assert "last.ckpt cannot be written: File too large (it takes 5 MB" in message
    assert "resume=auto" in message
    assert read_checkpoint(tmp_path / LAST)["global_step"] == 1
    assert [path.name for path in (tmp_path / LAST).parent.iterdir()] == ["last.ckpt"]


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_checkpoints, "free_bytes", lambda folder: 1_000_000)
    with pytest.raises(ClipbioError, match=r"the disk is full \(it takes 1 MB, 1 MB are free\)"):
        write_whole(state(1), tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


def test_after_an_error_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / LAST
    writer = AtomicCheckpoints(asynchronous=True)
    monkeypatch.setattr(atomic_checkpoints, "free_bytes", lambda folder: 0)
    writer.save_checkpoint(state(1), tmp_path / BEST)
    with pytest.raises(ClipbioError, match=r"best\.ckpt cannot be written"):
        writer.finish()
    with pytest.raises(ClipbioError, match=r"best\.ckpt cannot be written"):
        writer.save_checkpoint(state(1), place)
    writer.teardown()
    assert not place.exists()


def test_a_second_name_may_be_given_again(tmp_path: Path) -> None:
    source, target = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    source.write_bytes(b"one")
    for _ in range(2):
        link(source, target)
    assert target.samefile(source)
    assert len(list(tmp_path.iterdir())) == 2
