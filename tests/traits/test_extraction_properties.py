"""Whatever the text: no error, exact offsets, steps that grow with its length."""

from functools import partial

import pytest
from counted_steps import steps
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.traits import PROPERTIES, extract
from clipbio.traits.vocabulary import vocabulary

GROUPS = ("plants", "insects", "birds")
MARKS = [
    ", ",
    "; ",
    ". ",
    " (",
    ") ",
    " - ",
    "-",
    ": ",
    " ",
    " and ",
    " or ",
    " to ",
    " of ",
    " with ",
    " on ",
    " 3-4 mm ",
    "/",
    "’s ",
]


@st.composite
def sentences(draw):
    """Write words of a vocabulary in any order, with marks between."""
    group = draw(st.sampled_from(GROUPS))
    words = sorted(" ".join(phrase) for phrase in vocabulary(group).entries)
    words += sorted(" ".join(phrase) for phrase in vocabulary(group).colours)
    pieces = draw(st.lists(st.tuples(st.sampled_from(words), st.sampled_from(MARKS)), max_size=25))
    return group, "".join(word + mark for word, mark in pieces)


def check(text, group):
    for one in extract(text, group=group):
        assert text[one.start : one.end] == one.phrase
        assert one.phrase
        assert one.property in PROPERTIES
        assert one.value
        assert (one.organ_start == -1) == (one.organ_end == -1)
        assert -1 <= one.organ_start <= one.organ_end <= len(text)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=200), group=st.sampled_from([*GROUPS, None]))
def test_any_text(text, group):
    check(text, group)


@settings(max_examples=200, deadline=None)
@given(sentences())
def test_any_words_of_the_vocabulary(found):
    check(found[1], found[0])


PATTERNS = [
    "black and ",
    "head, ",
    "spots on the wings and on the tail, ",
    "female/",
    "dark ",
    "pure ",
    "Big ",
    "(",
    "black, ",
]
PATTERNS += [
    "spotted with black, ",
    "of the ",
    "white spot ",
    "3-4 mm ",
    "very ",
    "like a ",
    "-",
    "bill black; ",
    "spots absent, ",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_steps_grow_with_the_length(pattern):
    extract("", group="birds")
    short, long = (steps(partial(extract, pattern * times, group="birds")) for times in (60, 480))
    assert long < 16 * short  # 8 times as long: quadratic would be 64 times
