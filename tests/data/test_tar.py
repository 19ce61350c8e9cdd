from __future__ import annotations

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.manifest import ShardError
from clipbio.data.tar import Member, header, read_member

NAMES = st.text(st.sampled_from("abcXYZ0189._-"), min_size=1, max_size=100)


@given(NAMES, st.integers(0, 8**11 - 1))
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uname, info.gname = size, 0o644, "clipbio", "clipbio"
    assert header(name, size) == info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


@pytest.mark.parametrize(("name", "size"), [("", 1), ("a" * 101, 1), ("a", 8**11)])
def test_what_has_no_place_in_a_header_is_refused(name: str, size: int) -> None:
    with pytest.raises(ValueError, match="no place in a tar header"):
        header(name, size)


def slowly(block: bytes) -> Member | str | None:
    """Return what tarfile makes of a header, or the error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipbio.data.tar._own_member", lambda block, position: None)
        return quickly(block)


def quickly(block: bytes) -> Member | str | None:
    """Return what the house makes of a header, or the error."""
    try:
        return read_member(block, 1024)
    except ShardError as error:
        return str(error)


@given(NAMES, st.integers(0, 8**11 - 1))
def test_own_headers_are_read_as_tarfile_reads_them(name: str, size: int) -> None:
    found = quickly(header(name, size))
    assert isinstance(found, Member)
    assert found == slowly(header(name, size))


@given(st.integers(0, 511), st.binary(min_size=1, max_size=12), st.booleans())
def test_damaged_and_foreign_headers_are_read_as_tarfile_reads_them(place: int, change: bytes, mended: bool) -> None:
    block = bytearray(header("000000012.jpg", 4096))
    block[place : place + len(change)] = change[: 512 - place]
    if mended:
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    assert quickly(bytes(block)) == slowly(bytes(block))


@pytest.mark.parametrize("digits", [b"0000000+010", b"00000_00010", b"        010", b"00000000089"])
def test_odd_sizes_are_read_as_tarfile_reads_them(digits: bytes) -> None:
    block = bytearray(header("1.jpg", 8))
    block[124:135] = digits
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert quickly(bytes(block)) == slowly(bytes(block))
