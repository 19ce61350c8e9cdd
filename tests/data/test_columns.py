from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.columns import Coded, compact


@given(st.lists(st.integers(0, 299), min_size=1, max_size=40), st.data())
def test_coded_integers_are_read_like_the_whole_array(codes: list[int], data: st.DataObject) -> None:
    values_SR = np.arange(900).reshape(300, 3) * 10**12
    code_N = np.array(codes)
    whole_NR, coded = values_SR[code_N], Coded(code_N, values_SR)
    rows = data.draw(st.lists(st.integers(-len(codes), len(codes) - 1)))
    row, column = data.draw(st.integers(-len(codes), len(codes) - 1)), data.draw(st.integers(-3, 2))
    for key in (slice(None), np.array(rows, np.int64), row, (slice(None), column), (np.array([row]), column), (row, 1)):
        found, wanted = coded[key], whole_NR[key]
        assert np.array_equal(found, wanted)
        assert np.shape(found) == np.shape(wanted)
    assert len(coded) == len(whole_NR)


@pytest.mark.parametrize(("kinds", "bytes_each"), [(0, 1), (1, 1), (128, 1), (129, 2), (32768, 2), (32769, 4)])
def test_codes_take_as_few_bytes_as_hold_them(kinds: int, bytes_each: int) -> None:
    last = max(kinds - 1, 0)
    code_N = compact(np.array([0, last]), kinds)
    assert code_N.dtype.itemsize == bytes_each
    assert code_N.tolist() == [0, last]
    assert compact(np.empty(0, np.int64), kinds).dtype.itemsize == bytes_each
