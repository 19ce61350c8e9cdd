"""The gold tables of traits themselves: made by hand, so a slip of an offset or a word is found here."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from clipbio.traits import PROPERTIES

GOLD = Path(__file__).parent / "gold"
COLUMNS = {
    "leeds": ["species", "organ", "part", "property", "value", "shade", "side", "sex", "start", "end"],
    "birds": [
        *("species", "description", "organ", "part", "property", "value"),
        *("shade", "sex", "stage", "side", "start", "end"),
    ],
}
MEASURES = PROPERTIES[PROPERTIES.index("length") :]
REGIONS = {"", "tip", "margin", "border", "vein", "centre", "marking"}
Rows = list[dict[str, str]]
Texts = dict[tuple[str, int], str]


def read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spanned(row: dict[str, str], texts: Texts) -> str:
    text = texts[row["species"], int(row.get("description", 0))]
    assert 0 <= int(row["start"]) < int(row["end"]) <= len(text), row
    return text[int(row["start"]) : int(row["end"])]


@pytest.fixture(params=["leeds", "birds"])
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rows(table: str) -> Rows:
    return read(GOLD / f"{table}.csv")


@pytest.fixture
def texts(table: str, shared_data: Path) -> Texts:
    if table == "leeds":
        found = read(shared_data / "leeds-butterflies" / "specimens.csv")
        return {(row["species"], 0): row["description"] for row in found}
    by_species = defaultdict(list)
    for row in read(shared_data / "birds" / "descriptions.csv"):
        by_species[row["scientific_name"]].append(row["description"])
    return {(species, index): text for species, several in by_species.items() for index, text in enumerate(several)}


def test_words_are_of_the_vocabulary(table: str, rows: Rows) -> None:
    assert len(rows) > 150
    for row in rows:
        assert list(row) == COLUMNS[table]
        assert row["property"] in PROPERTIES, row
        assert row["value"], row
        assert row["shade"] in ("", "dark", "pale", "bright"), row
        assert row["side"] in ("", "above", "below"), row
        assert row["sex"] in ("", "male", "female"), row
        assert row.get("stage", "") in ("", "juvenile", "breeding", "nonbreeding"), row
        assert row["property"] != "count" or row["value"].isdigit(), row
        assert row["property"] != "pattern" or not row["part"], row


def test_no_row_stands_twice(rows: Rows) -> None:
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_a_part_that_is_a_marking_is_a_pattern_too(rows: Rows) -> None:
    patterns = {(row["species"], row["organ"], row["value"]) for row in rows if row["property"] == "pattern"}
    for row in rows:
        marking = row["part"].split(" ")[0]
        assert marking in REGIONS or (row["species"], row["organ"], marking) in patterns, row


def test_offsets_lie_on_words(rows: Rows, texts: Texts) -> None:
    for row in rows:
        assert re.fullmatch(r"\S(?:.*\S)?", spanned(row, texts)), row
        text = texts[row["species"], int(row.get("description", 0))]
        assert not re.search(r"\w\Z", text[: int(row["start"])]), row
        assert not re.match(r"\w", text[int(row["end"]) :]), row


def test_numbers_stand_in_the_text(rows: Rows, texts: Texts) -> None:
    words = {"two": "2"}
    for row in rows:
        if row["property"] in MEASURES or row["property"] == "count":
            span = spanned(row, texts)
            assert row["value"] in words.get(span, span), (row, span)


def test_the_same_words_have_the_same_value(rows: Rows, texts: Texts) -> None:
    values = defaultdict(set)
    for row in rows:
        values[row["property"], spanned(row, texts).lower(), row["shade"]].add(row["value"])
    assert {key: several for key, several in values.items() if len(several) > 1} == {}


def test_the_ten_descriptions_of_leeds_are_whole(shared_data: Path) -> None:
    species = {row["species"] for row in read(shared_data / "leeds-butterflies" / "specimens.csv")}
    assert {row["species"] for row in read(GOLD / "leeds.csv")} == species


def test_every_row_of_the_birds_lies_in_its_sentence() -> None:
    sentences = {(row["species"], row["description"]): row for row in read(GOLD / "birds_sentences.csv")}
    rows = read(GOLD / "birds.csv")
    assert len(sentences) == 60 == len({row["species"] for row in rows})
    for row in rows:
        sentence = sentences[row["species"], row["description"]]
        assert int(sentence["start"]) <= int(row["start"]) < int(row["end"]) <= int(sentence["end"]), row
