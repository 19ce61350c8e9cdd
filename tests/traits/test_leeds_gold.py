"""The gold table of traits itself: made by hand, so a slip of an offset or a word is found here."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from clipbio.traits import PROPERTIES

GOLD = Path(__file__).parent / "gold" / "leeds.csv"
COLUMNS = ["species", "organ", "part", "property", "value", "shade", "side", "sex", "start", "end"]
MEASURES = PROPERTIES[PROPERTIES.index("length") :]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read(GOLD)


@pytest.fixture
def descriptions(shared_data: Path) -> dict[str, str]:
    return {row["species"]: row["description"] for row in read(shared_data / "leeds-butterflies" / "specimens.csv")}


def test_words_are_of_the_vocabulary(rows: list[dict[str, str]]) -> None:
    assert len(rows) > 200
    for row in rows:
        assert list(row) == COLUMNS
        assert row["property"] in PROPERTIES, row
        assert row["value"], row
        assert row["shade"] in ("", "dark", "pale", "bright"), row
        assert row["side"] in ("", "above", "below"), row
        assert row["sex"] in ("", "male", "female"), row
        assert row["property"] != "count" or row["value"].isdigit(), row
        assert row["property"] != "pattern" or not row["part"], row


def test_no_row_stands_twice(rows: list[dict[str, str]]) -> None:
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_a_part_that_is_a_marking_is_a_pattern_too(rows: list[dict[str, str]]) -> None:
    regions = {"", "tip", "margin", "border", "vein", "centre", "marking"}
    patterns = {(row["species"], row["organ"], row["value"]) for row in rows if row["property"] == "pattern"}
    for row in rows:
        marking = row["part"].split(" ")[0]
        assert marking in regions or (row["species"], row["organ"], marking) in patterns, row


def test_offsets_lie_on_words(rows: list[dict[str, str]], descriptions: dict[str, str]) -> None:
    assert {row["species"] for row in rows} == set(descriptions)
    for row in rows:
        text, start, end = descriptions[row["species"]], int(row["start"]), int(row["end"])
        assert 0 <= start < end <= len(text), row
        assert re.fullmatch(r"\S(?:.*\S)?", text[start:end]), row
        assert not re.search(r"\w\Z", text[:start]), row
        assert not re.match(r"\w", text[end:]), row


def test_numbers_stand_in_the_text(rows: list[dict[str, str]], descriptions: dict[str, str]) -> None:
    for row in rows:
        if row["property"] in MEASURES or row["property"] == "count":
            span = descriptions[row["species"]][int(row["start"]) : int(row["end"])]
            assert row["value"] in span, (row, span)


def test_the_same_words_have_the_same_value(rows: list[dict[str, str]], descriptions: dict[str, str]) -> None:
    seen: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        span = descriptions[row["species"]][int(row["start"]) : int(row["end"])].lower()
        seen.setdefault((row["property"], span, row["shade"]), set()).add(row["value"])
    assert {key: values for key, values in seen.items() if len(values) > 1} == {}
