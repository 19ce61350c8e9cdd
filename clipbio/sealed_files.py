"""Files of `torch.save` that carry the hash of their bytes, so that damage is told before they are used.

`torch.load` finds a file that was cut, but not a bit that turned over: it does not look at the checksums of the zip
archive that it reads. The seal is the comment of that archive, which every reader of zip files passes over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from clipbio.errors import DamagedError

__all__ = ["check_seal", "free_bytes", "read_seal", "sync_folder", "tensor_bytes", "write_sealed"]

_LENGTH = struct.Struct("<H")
_MARK = b'{"clipbio": '
_LONGEST = 65535
_END_RECORD = 22
_BLOCK = 1 << 22


class _Hashing:
    """A file that hashes what is written, and keeps the error that `torch.save` would report as one of zip."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def write_sealed(value: Any, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a file with its seal, down to the disk.

    Args:
        value: What `torch.save` takes.
        path: The file.
        facts: Plain values that the seal tells beside the hash, such as the step.

    Raises:
        OSError: It cannot be written.
    """
    with path.open("wb") as file:
        hashing = _Hashing(file)
        try:
            torch.save(value, cast(IO[bytes], hashing))
        except RuntimeError as error:
            raise hashing.error or error from None
        seal = json.dumps({"clipbio": {**facts, "bytes": file.tell(), "sha256": hashing.digest.hexdigest()}}).encode()
        file.seek(-_LENGTH.size, os.SEEK_END)
        file.write(_LENGTH.pack(len(seal)) + seal)
        file.flush()
        os.fsync(file.fileno())


def check_seal(path: Path) -> dict[str, Any] | None:
    """Return what the seal of a file says, or nothing if it has none, such as one of an earlier version.

    The whole file is read once.

    Raises:
        DamagedError: The bytes are not those that were written.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        seal, length, size = _seal(file)
        if not seal:
            if _lost_comment(file, size):
                raise DamagedError(f"{path} is damaged: its end was cut off")
            return None
        facts = _facts(seal)
        try:
            whole = facts["bytes"] == length and _digest(file, length) == facts["sha256"]
        except KeyError:
            whole = False
        file.seek(length - _LENGTH.size)
        if not whole or _LENGTH.unpack(file.read(_LENGTH.size))[0] != size - length:
            raise DamagedError(f"{path} is damaged: its bytes are not those that were written")
    return facts


def read_seal(path: Path) -> dict[str, Any]:
    """Return what the seal of a file says, without comparing its bytes; nothing where it has none."""
    with path.open("rb") as file:
        return _facts(_seal(file)[0])


def _seal(file: IO[bytes]) -> tuple[bytes, int, int]:
    """Return the seal of a file, empty where it has none, and the bytes before it and with it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST - _LENGTH.size))
    tail = file.read()
    start = tail.rfind(_MARK)
    return (b"", size, size) if start < _LENGTH.size else (tail[start:], size - len(tail) + start, size)


def _lost_comment(file: IO[bytes], size: int) -> bool:
    """Whether a zip archive without a seal announces a comment that does not follow: it was cut inside the seal."""
    file.seek(max(0, size - _END_RECORD - len(_MARK)))
    tail = file.read()
    after = tail.rfind(b"PK\5\6") + _END_RECORD
    told = tail[after - _LENGTH.size : after]
    return after >= _END_RECORD and len(told) == _LENGTH.size and _LENGTH.unpack(told)[0] != len(tail) - after


def _facts(seal: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(seal)["clipbio"])
    except (ValueError, KeyError, TypeError):
        return {}


def _digest(file: IO[bytes], length: int) -> str:
    """Hash a file as it was before its seal: its comment was empty."""
    digest = hashlib.sha256()
    file.seek(0)
    left = length - _LENGTH.size
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    digest.update(_LENGTH.pack(0))
    return digest.hexdigest()


def tensor_bytes(value: Any) -> int:
    """Return how many bytes the tensors in nested containers take, each storage once."""
    storages = {(one.device, one.data_ptr()): one.nbytes() for one in map(Tensor.untyped_storage, _tensors(value))}
    return sum(storages.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def free_bytes(folder: Path) -> int:
    """Return how much room this user has on the disk of a folder."""
    return shutil.disk_usage(folder).free


def sync_folder(folder: Path) -> None:
    """Bring renamed names down to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError:
        # Some file systems of clusters know no such thing for folders.
        pass
    finally:
        os.close(number)
