import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.search.highlight import highlight
from clipbio.search.tokens import analyser
from clipbio.search.words import Words, parse

TEXTS = st.lists(
    st.sampled_from(["Leaves", "dark-brown ", "e\u0301pine", "not", ", ", " of", " the ", "ß", "leaf"])
).map("".join)


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("The leaf is opposite, hairy.", "leaves opposite -hairy", ["leaf", "opposite"]),
        ("Dark-brown wings", "brown", ["brown"]),
        ("Sub-orbicular petals", "suborbicular", ["Sub-orbicular"]),
        ("Suborbicular petals", "sub-orbicular petals", ["Suborbicular petals"]),
        ("White, white. Whites", "white", ["White", "white", "Whites"]),
        ("bark of the tree and bark", '"of the tree"', ["of the tree"]),
        ("Dente\u0301 ÉPINE", "dente epine", ["Dente\u0301 ÉPINE"]),
        ("nothing here", "leaves", []),
        ("", "leaves", []),
    ],
)
def test_what_is_marked(text, query, marked):
    assert [text[start:end] for start, end in highlight(text, parse(query))] == marked


@given(TEXTS, TEXTS)
def test_marks_are_whole_words_in_order(text, query):
    spans = highlight(text, Words(query))
    assert all(start < end <= len(text) for start, end in spans)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(spans))
    edges = analyser("english").sequence(text)
    assert {start for start, _ in spans} <= {token.start for token in edges}
    assert {end for _, end in spans} <= {token.end for token in edges}


@given(TEXTS)
def test_a_text_marks_all_its_own_words(text):
    known = analyser("english")
    marked = {place for start, end in highlight(text, Words(text)) for place in range(start, end)}
    assert all(token.start in marked for token in known.sequence(text) if not token.is_stop_word)
