"""Tars as others write them: with extended headers and folders, and with entries that nobody should follow."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from clipbio.data.manifest import ShardError
from clipbio.data.tar import BLOCK, padded

__all__ = ["Entry", "Reader", "read_entry", "walk_entries"]

Reader = Callable[[int, int], bytes]
"""Gives at most so many bytes (second) from a position (first) on."""

_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_EXTENDED_BYTES = 2**16
_EXTENDED_IN_A_ROW = 8
_SAMPLE_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tar: its path, where its (first) header and its content stand, and whether it is a plain file."""

    path: str
    header: int
    start: int
    size: int
    kind: bytes = tarfile.REGTYPE

    @property
    def next(self) -> int:
        """Return the position of the next header."""
        return self.start + padded(self.size)

    @property
    def is_file(self) -> bool:
        """Tell whether it is a regular file."""
        return self.kind in _REGULAR

    @property
    def sample_name(self) -> tuple[str, str]:
        """Return key and lower-cased suffix, in the way of webdataset: parted at the first dot of the file's name.

        Both are empty for what belongs to no sample: folders, hidden files, files without a suffix.
        """
        match = None if self.kind == tarfile.DIRTYPE else _SAMPLE_NAME.fullmatch(self.path)
        return (match[1], match[2].lower()) if match else ("", "")

    @property
    def danger(self) -> str:
        """Say why nobody should follow this entry, `""` if it is harmless. Nothing is ever extracted, even so."""
        if not self.is_file and self.kind != tarfile.DIRTYPE:
            return "is a link or a device"
        if self.path.startswith(("/", "\\")) or (".." in self.path and ".." in re.split(r"[/\\]", self.path)):
            return "leads out of the folder"
        return "" if self.path.isprintable() else "has a name that cannot be printed"


def read_entry(read: Reader, position: int) -> Entry | None:
    """Read the entry that begins at a position, extended headers included; None for the zeros at the end of a tar.

    Raises:
        ShardError: There is no header, or an extended one is damaged or larger than it can be.
    """
    path, size, at = "", None, position
    for _ in range(_EXTENDED_IN_A_ROW):
        info = _header(read(at, BLOCK), at)
        if info is None:
            return None
        if info.type not in _EXTENDED:
            sized = info.size if info.type in _REGULAR else 0
            return Entry(path or info.name, position, at + BLOCK, sized if size is None else size, info.type)
        content = _extension(read, info, at)
        if info.type == tarfile.GNUTYPE_LONGNAME:
            path = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            records = _pax_records(content, at)
            path = records.get("path", path)
            size = _size(records.get("size"), at) if "size" in records else size
        at += BLOCK + padded(info.size)
    raise ShardError(f"more than {_EXTENDED_IN_A_ROW} extended headers from byte {position} on")


def walk_entries(read: Reader, end: int) -> Iterator[Entry]:
    """Yield the entries of a tar of `end` bytes; `ShardError` where it is damaged or ends too early."""
    magic = read(0, 2)
    # A start of two letters may be a plain file's name, too.
    if (compression := _COMPRESSED.get(magic)) and not (magic.isalpha() and _is_header(read(0, BLOCK))):
        raise ShardError(f"it is compressed ({compression}): shards are plain tars, decompress it first")
    position = 0
    while position < end:
        entry = read_entry(read, position)
        if entry is None:
            return
        if entry.start + entry.size > end:
            raise ShardError(f"{entry.path!r} ends at byte {entry.start + entry.size} of {end}: the tar is cut off")
        yield entry
        position = entry.next
    raise ShardError(f"the end-of-archive mark is missing after {end} bytes: the tar is cut off")


def _is_header(block: bytes) -> bool:
    try:
        return _header(block, 0) is not None
    except ShardError:
        return False


class _Header(NamedTuple):
    """What is read of a header block; a tuple, since training reads some twenty of them per sample."""

    name: str
    size: int
    type: bytes


def _header(block: bytes, position: int) -> _Header | None:
    if (plain := _plain_header(block)) is not None:
        return plain
    if len(block) < BLOCK:
        raise ShardError(f"the tar is cut off after {position + len(block)} bytes")
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        if not any(block):
            return None
        raise ShardError(f"no tar header at byte {position} ({error})") from error
    if info.size < 0:
        raise ShardError(f"the header at byte {position} tells a negative size")
    return _Header(info.name, info.size, info.type)


def _plain_header(block: bytes) -> _Header | None:
    """Read the ordinary POSIX header, ten times faster than `tarfile` does; None for all that is not ordinary."""
    try:
        if block[257:263] != b"ustar\0" or block[156:157] == tarfile.AREGTYPE:
            return None
        told, size = int(block[148:156].rstrip(b"\0 "), 8), int(block[124:136].rstrip(b"\0 "), 8)
        if told != sum(block) - sum(block[148:156]) + 8 * 32 or size < 0:
            return None
        name = block[:100].partition(b"\0")[0].decode()
        prefix = block[345:500].partition(b"\0")[0].decode()
        return _Header(f"{prefix}/{name}" if prefix else name, size, block[156:157])
    except ValueError:
        return None


def _extension(read: Reader, info: _Header, position: int) -> bytes:
    if info.size > _EXTENDED_BYTES:
        raise ShardError(f"the extended header at byte {position} claims {info.size} bytes")
    content = read(position + BLOCK, info.size)
    if len(content) < info.size:
        raise ShardError(f"the extended header at byte {position} is cut off")
    return content


def _pax_records(content: bytes, position: int) -> dict[str, str]:
    """Parse the records `LENGTH KEY=VALUE\\n` of a POSIX header."""
    records: dict[str, str] = {}
    start = 0
    while start < len(content) and content[start]:
        number, _, _ = content[start : start + 20].partition(b" ")
        length = int(number) if number.isdigit() else 0
        record = content[start + len(number) + 1 : start + length]
        key, equals, value = record.partition(b"=")
        if length <= len(number) + 1 or start + length > len(content) or not equals or not value.endswith(b"\n"):
            raise ShardError(f"the extended header at byte {position} is damaged")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        start += length
    if any(key.startswith("GNU.sparse") for key in records):
        raise ShardError(f"the header at byte {position} is of a sparse file, which has no place in a shard")
    return records


def _size(text: str | None, position: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise ShardError(f"the extended header at byte {position} tells no size")
    return int(text)
