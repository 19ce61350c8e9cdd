from __future__ import annotations

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.tar import header

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
