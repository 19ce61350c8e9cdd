"""The bounded cache: what is kept, what goes, and that processes do not get into each other's way."""

import hashlib
import multiprocessing
import random
import time
from pathlib import Path

import pytest

from clipbio.data.manifest import ShardEntry
from clipbio.data.remote import ShardCache, StorageError

SIZE = 1000


def content(number: int) -> bytes:
    return bytes([number]) * SIZE


def entry(number: int, *, size: int = SIZE, sha256: str = "") -> ShardEntry:
    digest = sha256 or hashlib.sha256(content(number)).hexdigest()
    return ShardEntry(f"train/shard-{number:06d}.tar", "train", 1, size, digest)


class Reader:
    """Reads shards through a cache, and counts what it fetched."""

    def __init__(self, folder: Path, shards: int, pause: float = 0) -> None:
        self.cache = ShardCache(folder, shards * SIZE)
        self.pause = pause
        self.fetched: list[int] = []

    def __call__(self, number: int) -> None:
        def fetch(part: Path) -> None:
            self.fetched.append(number)
            time.sleep(self.pause)
            part.write_bytes(content(number))

        with self.cache.open(entry(number), fetch) as file:
            assert file.read() == content(number)


def held(folder: Path) -> int:
    """Return the bytes that are taken, those of shards that are being fetched included."""
    return sum(SIZE for path in folder.iterdir() if path.suffix in (".tar", ".part"))


def test_the_least_recently_read_shard_goes_first(tmp_path: Path) -> None:
    read = Reader(tmp_path, 3)
    for number in (1, 2, 3, 1, 4, 1, 3, 2):
        read(number)
        assert held(tmp_path) <= 3 * SIZE
    assert read.fetched == [1, 2, 3, 4, 2]
    assert {path.stem for path in tmp_path.glob("*.tar")} == {entry(number).sha256 for number in (1, 3, 2)}


def test_a_second_cache_finds_what_the_first_one_fetched(tmp_path: Path) -> None:
    Reader(tmp_path, 3)(1)
    again = Reader(tmp_path, 3)
    again(1)
    assert again.fetched == []


def test_a_shard_that_lost_bytes_is_fetched_again(tmp_path: Path) -> None:
    read = Reader(tmp_path, 3)
    read(1)
    next(tmp_path.glob("*.tar")).write_bytes(b"")
    read(1)
    assert read.fetched == [1, 1]


def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_bytes(b"half")
        raise StorageError("gone")

    cache = ShardCache(tmp_path, 3 * SIZE)
    with pytest.raises(StorageError, match="gone"):
        cache.open(entry(1), fail)
    assert held(tmp_path) == 0


def test_what_a_killed_process_left_does_not_take_room_forever(tmp_path: Path) -> None:
    read = Reader(tmp_path, 1)
    for number in (1, 2):
        (tmp_path / f"{entry(number).sha256}.{SIZE}.part").write_bytes(b"half")
    read(1)
    read(3)
    assert held(tmp_path) == SIZE


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, SIZE)
    with pytest.raises(StorageError, match=r"shard-000001\.tar has 5 GB, more than data\.remote_cache_gb=1e-06"):
        cache.open(entry(1, size=5 * 10**9), lambda part: None)
    for sha256 in ("../../evil", "0" * 63, "G" * 64):
        with pytest.raises(StorageError, match="SHA-256"):
            cache.open(entry(1, sha256=sha256), lambda part: None)
    with pytest.raises(StorageError, match="size"):
        cache.open(entry(1, size=-5), lambda part: None)


def read_much(folder: Path, seed: int) -> None:
    """Read many shards through a small cache, as a process among others."""
    read, draw = Reader(folder, 2, pause=0.002), random.Random(seed)
    for _ in range(60):
        read(draw.randrange(7))


def test_several_processes_share_the_bound(tmp_path: Path) -> None:
    ShardCache(tmp_path, 2 * SIZE)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=read_much, args=(tmp_path, seed)) for seed in range(4)]
    for process in processes:
        process.start()
    most = 0
    while any(process.is_alive() for process in processes):
        # Twice, because a listing may show a file under its old and its new name.
        most = max(most, min(held(tmp_path), held(tmp_path)))
        time.sleep(0.001)
    assert [process.exitcode for process in processes] == [0] * 4
    assert 0 < most <= 2 * SIZE
    assert not list(tmp_path.glob("*.part"))
