"""A search as parameters of a URL, and back."""

from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.serving.limits import Limits
from clipbio.serving.question import Question, read
from clipbio.serving.vectors import packed, unpacked

LIMITS = Limits()
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.strip)
names = words.filter(bool)
weights = st.floats(0.001, 1000).map(lambda value: float(f"{value:g}")).filter(lambda value: value != 1)


def asked(query: str, limits: Limits = LIMITS) -> Question:
    return read(parse_qsl(query, keep_blank_values=True), limits)


@given(
    st.builds(
        Question,
        q=names,
        dna=words,
        specimen=words,
        weights=st.fixed_dictionaries({}, optional={"text": weights}),
        where=st.dictionaries(names, st.lists(names, min_size=1, max_size=3, unique=True).map(tuple), max_size=3),
        engine=st.sampled_from(["fused", "lexical", "vector"]),
        show=st.sampled_from(["specimens", "species", "descriptions"]),
        key=st.sampled_from([None, "image", "dna"]),
        page=st.integers(1, 100),
        size=st.integers(1, 100),
    )
)
def test_a_link_asks_what_it_was_made_from(question: Question) -> None:
    path, _, query = question.link("/x").partition("?")
    assert path == "/x"
    assert asked(query) == question


def test_defaults_are_left_out_of_links() -> None:
    assert Question(q="a b", engine="fused", page=1).link() == "/?q=a+b"
    assert Question().link() == "/"
    assert Question(q="a", page=3).link(page=1, show="species") == "/?q=a&show=species"


def test_what_a_form_leaves_empty_is_not_given() -> None:
    assert asked("q=rose&dna=&specimen=+&weight_dna=3&f.family=&engine=&page=") == Question(q="rose")


def test_options_are_those_of_the_index() -> None:
    question = asked("q=a&f.family=Rosaceae&f.genus=Rosa&f.genus=Rubus&page=3&size=10&show=species&key=dna")
    assert question.options() == {
        "k": 10,
        "offset": 20,
        "where": {"family": "Rosaceae", "genus": ["Rosa", "Rubus"]},
        "engine": "fused",
        "show": "species",
        "key": "dna",
    }


def test_parts_carry_their_weights() -> None:
    vector = packed(np.array([0.6, 0.8, 0, 0]))
    query = asked(f"q=a&weight_text=0.5&vector={vector}&specimen=s1").query(4)
    assert [(part.kind, part.weight) for part in query.parts] == [("text", 0.5), ("specimen", 1.0), ("vector", 1.0)]
    np.testing.assert_allclose(query.parts[2].value, [0.6, 0.8, 0, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "the query is empty"),
        ("f.family=Rosaceae", "the query is empty"),
        ("qq=a", "there is no parameter 'qq'"),
        ("sise=3", "did you mean 'size'"),
        ("f.=x", "there is no parameter 'f.'"),
        ("q=a&q=b", "q is given twice"),
        ("q=a&engine=fusd", "did you mean 'fused'"),
        ("q=a&show=photos", "there is no such choice"),
        ("q=a&key=text", "there is no such choice"),
        ("q=a&size=101", "size=101 must be a whole number from 1 to 100"),
        ("q=a&size=0", "from 1 to 100"),
        ("q=a&size=-1", "from 1 to 100"),
        ("q=a&page=" + "9" * 1000, "must be a whole number"),
        ("q=a&page=%D9%A3", "must be a whole number"),
        ("q=a&page=501", "lies beyond the first 10,000 hits"),
        ("q=a&weight_text=nan", "must be a number from 0.001 to 1000"),
        ("q=a&weight_text=inf", "must be a number from 0.001 to 1000"),
        ("q=a&weight_text=-1", "must be a number from 0.001 to 1000"),
        ("q=a&weight_text=much", "must be a number from 0.001 to 1000"),
        ("q=" + "a" * 2001, "q has 2,001 characters, 2,000 are allowed"),
        ("dna=" + "A" * 5001, "dna has 5,001 characters, 5,000 are allowed"),
        ("q=a&" + "f.genus=x&" * 501, "the filters have 501 values, 500 are allowed"),
        ("vector=AAAA", "vector has 3 bytes, this index needs 4 x 2"),
        ("vector=" + packed(np.zeros(4)), "vector has no direction"),
        ("vector=" + packed(np.array([1, np.nan, 0, 0])), "vector has no direction"),
        ("vector=" + packed(np.array([1, np.inf, 0, 0])), "vector has no direction"),
        ("vector=%3Cscript%3E", "vector is no base64url text"),
        ("vector=A", "vector is no base64url text"),
    ],
)
def test_bad_parameters_are_told(query: str, message: str) -> None:
    with pytest.raises(ClipbioError) as caught:
        asked(query).query(4)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ClipbioError, match="half a character"):
        read([("q", "a\ud800")], LIMITS)


@given(st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=4).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_vectors_survive_their_text(values: list[float]) -> None:
    vector_D = np.array(values, np.float32) / np.linalg.norm(values)
    text = packed(vector_D)
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()
    np.testing.assert_allclose(unpacked(text, 4), vector_D, atol=2e-3)


def test_limits_are_at_least_one() -> None:
    with pytest.raises(ClipbioError, match=r"limits.at_once=0 must be at least 1"):
        Limits(at_once=0)
