"""Links of the page: filters that come and go, and what forms send."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from clipbio.serving.limits import Limits
from clipbio.serving.links import Links, canonical, narrowed, toggled
from clipbio.serving.question import Question, read

ASKED = Question(q="leaves opposite", dna="ACGT", where={"family": ("Rosaceae",)}, page=3, engine="lexical")


def test_a_value_is_added_and_taken_away_whatever_its_case() -> None:
    both = toggled(ASKED, "family", "Fagaceae")
    assert both.where == {"family": ("Rosaceae", "Fagaceae")}
    assert toggled(both, "family", "rosaceae").where == {"family": ("Fagaceae",)}
    assert toggled(ASKED, "family", "Rosaceae").where == {}
    assert both.page == 1


def test_one_value_takes_the_place_of_others() -> None:
    assert narrowed(ASKED, "family", "Fagaceae").where == {"family": ("Fagaceae",)}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([("q", " a "), ("dna", ""), ("picture", "x.jpg")], [("q", "a")]),
        ([("from.year", "1900"), ("to.year", ""), ("q", "a")], [("q", "a"), ("f.year", "1900..")]),
        ([("from.year", ""), ("to.year", "1950")], [("f.year", "..1950")]),
        ([("from.a.b", "1"), ("to.a.b", "2")], [("f.a.b", "1..2")]),
        ([("from.year", ""), ("to.year", "")], []),
    ],
)
def test_what_a_form_sends_becomes_parameters(sent: list[tuple[str, str]], kept: list[tuple[str, str]]) -> None:
    assert canonical(sent) == kept


def test_every_change_leads_to_the_first_page_but_a_page() -> None:
    links = Links("/herbarium")
    assert "page" not in links.link(ASKED, show="species")
    assert links.link(ASKED, page=4).endswith("page=4")
    assert links.link(Question()) == "/herbarium/"


def test_ids_with_slashes_have_a_link_that_carries_the_question() -> None:
    link = Links("").specimen_link("herb:1/a?b", Question(q="x"))
    assert link == "/specimens/herb%3A1%2Fa%3Fb?q=x"


def test_exports_have_all_but_the_page() -> None:
    parts = urlsplit(Links("").export_link(ASKED, "csv"))
    assert parts.path == "/api/export"
    pairs = parse_qsl(parts.query)
    assert ("format", "csv") in pairs
    assert "page" not in dict(pairs)
    assert read([pair for pair in pairs if pair[0] != "format"], Limits()).where == ASKED.where


def test_forms_hand_on_what_they_do_not_ask_themselves() -> None:
    weighed = Question(q="a", specimen="s", weights={"text": 2.0}, where={"year": ("1900..",), "family": ("Poaceae",)})
    assert Links.kept(weighed) == [("specimen", "s"), ("f.family", "Poaceae"), ("f.year", "1900..")]
    handed = Links.kept(weighed, without="year", words=True)
    assert handed == [("q", "a"), ("specimen", "s"), ("weight_text", "2"), ("f.family", "Poaceae")]
