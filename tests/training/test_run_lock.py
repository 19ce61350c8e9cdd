"""One run at a time: by the kernel's lock, and by the beat where that does not reach."""

import fcntl
import json
import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from clipbio.errors import ClipbioError
from clipbio.training.lock import RunLock

FORK = multiprocessing.get_context("fork")


def _hold(path: Path, held: Any, released: Any) -> None:
    lock = RunLock(path)
    lock.acquire()
    held.set()
    released.wait(30)
    lock.release()


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process that holds the lock."""
    held, released = FORK.Event(), FORK.Event()
    process = FORK.Process(target=_hold, args=(tmp_path / "lock", held, released))
    process.start()
    assert held.wait(30)
    yield process, released
    process.kill()
    process.join()


def test_the_second_is_told_who_is_first(holder: Any, tmp_path: Path) -> None:
    process, _ = holder
    with pytest.raises(ClipbioError, match=rf"in use by another run: process {process.pid} on .+ since \d{{4}}-"):
        RunLock(tmp_path / "lock").acquire()


def test_a_killed_holder_holds_nothing(holder: Any, tmp_path: Path) -> None:
    process, _ = holder
    process.kill()
    process.join()
    RunLock(tmp_path / "lock").acquire()


def test_patience_outlasts_a_holder_that_is_about_to_leave(holder: Any, tmp_path: Path) -> None:
    _, released = holder
    threading.Timer(0.5, released.set).start()
    lock = RunLock(tmp_path / "lock", patience=20)
    lock.acquire()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lock.release()
    assert (tmp_path / "lock").read_text() == ""


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "lock")
    lock.acquire()
    child = FORK.Process(target=time.sleep, args=(30,))
    child.start()
    lock.release()
    held, released = FORK.Event(), FORK.Event()
    other = FORK.Process(target=_hold, args=(tmp_path / "lock", held, released))
    other.start()
    assert held.wait(20)
    released.set()
    other.join()
    child.kill()
    child.join()


def _elsewhere(path: Path, beat: int) -> None:
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": 0.0, "beat": beat}))


@pytest.mark.parametrize("works", [True, False])
def test_a_beat_from_another_machine_is_heard(works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not works:
        monkeypatch.setattr(fcntl, "lockf", _unsupported)
    path, over = tmp_path / "lock", threading.Event()
    _elsewhere(path, 0)

    def beat() -> None:
        number = 0
        while not over.wait(0.1):
            number += 1
            _elsewhere(path, number)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(ClipbioError, match="process 7 on elsewhere"):
            RunLock(path, silence=5).acquire()
    finally:
        over.set()
        thread.join()
    lock = RunLock(path, silence=0.6)
    lock.acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()


def _hold_as(host: str, path: Path, held: Any, leaving: Any = None) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.lockf(file, fcntl.LOCK_EX)
    os.pwrite(file, json.dumps({"host": host, "pid": 7, "since": 1.0, "beat": 3}).encode(), 0)
    held.set()
    if leaving is None:
        time.sleep(60)
    leaving.wait(30)
    os.ftruncate(file, 0)


def _try(path: Path, silence: float, told: Any) -> None:
    try:
        RunLock(path, silence=silence).acquire()
    except ClipbioError as error:
        told.put(str(error))
    else:
        told.put("taken")


def _ask(path: Path, silence: float, meanwhile: Any = lambda: None) -> str:
    """Return what another process is told that wants the lock; `meanwhile` is done again and again."""
    told = FORK.Queue()
    process = FORK.Process(target=_try, args=(path, silence, told))
    process.start()
    while process.is_alive() and told.empty():
        meanwhile()
        time.sleep(0.1)
    answer = str(told.get(timeout=30))
    process.join()
    return answer


def test_a_holder_elsewhere_that_leaves_is_followed(tmp_path: Path) -> None:
    held, leaving = FORK.Event(), FORK.Event()
    process = FORK.Process(target=_hold_as, args=("elsewhere", tmp_path / "lock", held, leaving))
    process.start()
    assert held.wait(30)
    threading.Timer(1.0, leaving.set).start()
    lock = RunLock(tmp_path / "lock", silence=20)
    lock.acquire()
    process.join()
    assert json.loads((tmp_path / "lock").read_text())["locked"] is True


@pytest.mark.parametrize("host", ["elsewhere", socket.gethostname()])
def test_a_lock_that_outlives_its_machine_is_passed_over(host: str, tmp_path: Path) -> None:
    """NFS keeps the lock of a machine that was switched off; a process of this one that is silent may only be slow."""
    held = FORK.Event()
    process = FORK.Process(target=_hold_as, args=(host, tmp_path / "lock", held))
    process.start()
    assert held.wait(30)
    lock = RunLock(tmp_path / "lock", silence=0.6)
    try:
        if host == "elsewhere":
            lock.acquire()
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
            process.kill()
            process.join()
            # Its lock is free at last: it goes to who uses the folder, and to nobody else.
            assert "in use by another run" in _ask(tmp_path / "lock", 3.0, lock.beat)
            lock.beat()
            assert "in use by another run" in _ask(tmp_path / "lock", 0.5)
        else:
            with pytest.raises(ClipbioError, match="in use by another run: process 7"):
                lock.acquire()
    finally:
        process.kill()
        process.join()


def test_a_clock_that_jumps_frees_nothing(holder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with pytest.raises(ClipbioError, match="in use by another run"):
        RunLock(tmp_path / "lock", patience=0.5).acquire()


def _unsupported(*arguments: object) -> None:
    raise OSError(37, "No locks available")
