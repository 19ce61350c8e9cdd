"""The samples of a foreign tar: consecutive files of one key, read but for their images."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipbio.data.defects import Defects
from clipbio.data.foreign.tars import Entry, Reader, walk_entries
from clipbio.data.manifest import ShardError
from clipbio.data.tar import IMAGE_MEMBERS

__all__ = ["IMAGE_BYTES", "TEXT_BYTES", "Sample", "ShardReader", "picture_of"]

TEXT_BYTES = 2**20
"""Largest text member that is read."""

IMAGE_BYTES = 512 * 2**20
"""Largest image that is read."""

_PICKLES = frozenset({"pkl", "pickle", "pyd", "pth", "pt", "joblib", "npz"})
_BUFFER = 2**18
_MEMBERS = 64
_Member = tuple[str, Entry]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: key and extent in the tar, its texts, and the entry of its image."""

    key: str
    offset: int
    length: int
    texts: dict[str, bytes]
    image: Entry


@dataclass
class ShardReader:
    """Reads the samples of one tar; what is unusable or dangerous is counted and left out.

    Args:
        path: The tar.
        where: What defects call it.
        wanted: Names of the text members that are read; no other member is looked into.
        defects: What is wrong is put here.
    """

    path: Path
    where: str
    wanted: Collection[str]
    defects: Defects
    _digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    @property
    def digest(self) -> str:
        """Give a hash of all names, sizes and texts, once every sample was read."""
        return str(self._digest.hexdigest())

    def __iter__(self) -> Iterator[Sample]:
        try:
            with self.path.open("rb", buffering=_BUFFER) as file:

                def read(position: int, length: int) -> bytes:
                    file.seek(position)
                    return file.read(length)

                for key, members in self._groups(read):
                    if sample := self._sample(key, members, read):
                        yield sample
        except OSError as error:
            self.defects.add("damaged_shard", self.where, f"it cannot be read ({error.strerror})")

    def _groups(self, read: Reader) -> Iterator[tuple[str, list[_Member]]]:
        """Yield each key with its members; a damage ends the tar, the sample in which it stands included."""
        key, held = "", list[_Member]()
        try:
            for entry in walk_entries(read, self.path.stat().st_size):
                self._digest.update(f"{entry.path}:{entry.size}\n".encode("utf-8", "surrogateescape"))
                own, suffix = entry.sample_name
                if not own:
                    if entry.danger:
                        self._add("unsafe_member", entry.path, entry.danger)
                    continue
                if own != key:
                    if held:
                        yield key, held
                    key, held = own, []
                if len(held) <= _MEMBERS:
                    held.append((suffix, entry))
        except ShardError as error:
            self.defects.add("damaged_shard", self.where, f"{error}; what stands behind it is lost")
            return
        if held:
            yield key, held

    def _sample(self, key: str, members: list[_Member], read: Reader) -> Sample | None:
        if refused := _refusal(members, self.wanted):
            self._add(refused[0], key, refused[1])
            return None
        by_name = dict(members)
        texts: dict[str, bytes] = {}
        for name, entry in members:
            if name in self.wanted:
                texts[name] = read(entry.start, entry.size)
                self._digest.update(texts[name])
        first, last = members[0][1], members[-1][1]
        picture = next(by_name[name] for name in IMAGE_MEMBERS if name in by_name)
        return Sample(key, first.header, last.next - first.header, texts, picture)

    def _add(self, kind: str, key: str, message: str) -> None:
        self.defects.add(kind, f"{self.where} key {key!r}", message)


def _refusal(members: list[_Member], wanted: Collection[str]) -> tuple[str, str] | None:
    """Return kind and reason of the first thing that makes a sample unusable."""
    seen: set[str] = set()
    for name, entry in members:
        if entry.danger:
            return "unsafe_member", f"{entry.path!r} {entry.danger}"
        if name.rpartition(".")[2] in _PICKLES:
            return "pickled_member", f"{'.' + name!r} is pickled, which can run anything: it is never read"
        if name in seen:
            return "repeated_member", f"{'.' + name!r} occurs more than once"
        seen.add(name)
        limit = TEXT_BYTES if name in wanted else IMAGE_BYTES
        if (name in wanted or name in IMAGE_MEMBERS) and entry.size > limit:
            return "too_large", f"{'.' + name!r} has {entry.size} bytes, more than {limit}"
    if len(members) > _MEMBERS:
        return "too_many_members", f"it has more than {_MEMBERS} members"
    if not any(name in IMAGE_MEMBERS and entry.size for name, entry in members):
        return "missing_image", f"no image ({', '.join(IMAGE_MEMBERS)}) is among its members"
    return None


def picture_of(path: Path, entry: Entry) -> bytes:
    """Read the image of a sample."""
    with path.open("rb") as file:
        file.seek(entry.start)
        data = file.read(entry.size)
    if len(data) < entry.size:
        raise OSError(f"{path} ends inside {entry.path!r}")
    return data
