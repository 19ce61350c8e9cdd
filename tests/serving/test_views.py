"""How values look on the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.search.facets import Facet
from clipbio.search.results import Results
from clipbio.serving.question import Question
from clipbio.serving.views import facet_views, facts_of, marked, noun, page_numbers, weighed


@given(
    st.text(alphabet="<>&\"'ab é", max_size=30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
def test_marks_change_no_text_and_let_nothing_through(text: str, spans: list[tuple[int, int]]) -> None:
    found = marked(text, spans)
    assert found.replace("<mark>", "").replace("</mark>", "").unescape() == text
    assert found.count("<") == 2 * found.count("<mark>")


def test_words_are_marked() -> None:
    assert marked("Leaves <b> opposite", [(11, 19), (0, 6)]) == "<mark>Leaves</mark> &lt;b&gt; <mark>opposite</mark>"


@pytest.mark.parametrize(
    ("page", "total", "numbers"),
    [
        (1, 0, [1]),
        (1, 20, [1]),
        (1, 21, [1, 2]),
        (5, 200, [1, None, 3, 4, 5, 6, 7, None, 10]),
        (1, 10**6, [1, 2, 3, None, 50]),
        (4, 200, [1, 2, 3, 4, 5, 6, None, 10]),
    ],
)
def test_pages_that_are_linked(page: int, total: int, numbers: list[int | None]) -> None:
    assert page_numbers(page, total, size=20, reach=1000) == numbers


def test_columns_that_part_nothing_are_no_filters() -> None:
    facets = [
        Facet("kingdom", (("Plantae", 9),)),
        Facet("habit", (("herb", 5), ("tree", 4))),
        Facet("year", range=(1850.0, 1990.0)),
        Facet("family", (("Rosaceae", 6), ("Fagaceae", 3))),
        Facet("split", (("train", 9),)),
    ]
    chosen = Question(where={"family": ("fagaceae",), "year": ("1900..",), "split": ("train",)})
    views = {view.column: view for view in facet_views(facets, chosen)}
    assert list(views) == ["family", "habit", "year", "split"]
    assert [(value.name, value.chosen) for value in views["family"].values] == [("Fagaceae", True), ("Rosaceae", False)]
    assert (views["year"].range, views["year"].low, views["year"].high) == (("1850", "1990"), "1900", "")
    assert [view.open for view in views.values()] == [True, False, True, True]


def test_a_record_tells_what_it_knows() -> None:
    values = {"id": "a", "family": "x", "collector": "Ann", "year": 1900.0, "note": "", "height": None, "split": "val"}
    assert facts_of(values) == [("collector", "Ann"), ("year", 1900.0), ("split", "val")]


def test_parts_are_weighed_where_there_are_several() -> None:
    assert weighed(Question(q="a")) == []
    assert weighed(Question(q="a", vector="AA")) == [("text", "words"), ("vector", "picture")]


def test_numbers_of_hits_are_named() -> None:
    assert noun(Results((), "descriptions", "fused", 0, 1, 0.0)) == "description"
    assert noun(Results((), "specimens", "fused", 0, 0, 0.0)) == "specimens"
