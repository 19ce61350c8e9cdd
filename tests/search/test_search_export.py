"""What is found as flat records and as CSV."""

import csv
import io
import json

import numpy as np
import pytest

from clipbio.search.export import csv_text, plain, records
from clipbio.search.results import DescriptionHit, Passage, Results, SpeciesHit, SpecimenHit
from clipbio.taxonomy import Taxon

ROSE = Taxon(family="Rosaceae", genus="Rosa", species="canina")
PASSAGE = Passage("Leaves serrate.", 4, 0, 15, ((0, 6),))
SHEET = SpecimenHit(
    1,
    0.5,
    7,
    "s7",
    ROSE,
    "Rosa canina",
    licence="CC0",
    values={"year": np.int64(1901), "height": float("nan"), "note": "=1+1", "latitude": "-12.5", "name": "old"},
    lists={"description": 1, "image": 4},
    passage=PASSAGE,
)
SPECIES = SpeciesHit(1, 0.5, ROSE, "Rosa canina", "dog rose", 9, (SHEET,), {"sentence": 2}, PASSAGE)
TEXT = DescriptionHit(1, 0.5, 4, ROSE, "Rosa canina", "Leaves serrate. White.", best=PASSAGE, source="a flora", count=9)


def results(*hits: SpecimenHit | SpeciesHit | DescriptionHit) -> Results:
    return Results(hits, "specimens", "fused", 0, len(hits), 0.1)


def test_a_record_of_a_specimen_is_flat() -> None:
    (record,) = records(results(SHEET))
    assert {name: record[name] for name in ("rank", "score", "id", "name", "family", "species", "sentence")} == {
        "rank": 1,
        "score": 0.5,
        "id": "s7",
        "name": "Rosa canina",
        "family": "Rosaceae",
        "species": "canina",
        "sentence": "Leaves serrate.",
    }
    assert record["lists"] == "description:1 image:4"
    assert (record["year"], record["height"], record["meta.name"]) == (1901, None, "old")


def test_records_of_species_and_descriptions() -> None:
    (species,), (text,) = records(results(SPECIES)), records(results(TEXT))
    assert (species["common_name"], species["count"], species["sheets"]) == ("dog rose", 9, "s7")
    assert (text["text"], text["source"], text["sentence"]) == ("Leaves serrate. White.", "a flora", "Leaves serrate.")


def test_no_cell_is_a_formula_and_numbers_stay_numbers() -> None:
    other = SpecimenHit(2, 0.4, 8, "@s8", ROSE, "Rosa canina", values={"collector": "Mayer, 'A'\nB"})
    first, second = csv.DictReader(io.StringIO(csv_text(records(results(SHEET, other)))))
    assert (first["note"], first["latitude"], first["height"], first["collector"]) == ("'=1+1", "-12.5", "", "")
    assert (second["id"], second["collector"], second["year"]) == ("'@s8", "Mayer, 'A'\nB", "")


@pytest.mark.parametrize("cell", ["=1+1", "+x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-inf"])
def test_no_text_and_no_name_of_a_column_runs_as_a_formula(cell: str) -> None:
    hit = SpecimenHit(1, 0.5, 7, cell, ROSE, "Rosa canina", values={cell: "x"})
    (row,) = csv.DictReader(io.StringIO(csv_text(records(results(hit))), newline=""))
    assert (row["id"], row[f"'{cell}"]) == (f"'{cell}", "x")


def test_nothing_found_is_an_empty_table() -> None:
    assert csv_text(records(results())).strip() == ""


def test_everything_is_json() -> None:
    found = json.loads(json.dumps(plain(results(SHEET, SPECIES, TEXT), lambda hit: {"more": hit.row}), allow_nan=False))
    assert found["hits"][0]["taxon"]["class"] == ""
    assert found["hits"][0]["values"] == {
        "year": 1901,
        "height": None,
        "note": "=1+1",
        "latitude": "-12.5",
        "name": "old",
    }
    assert found["hits"][1]["sheets"][0]["more"] == 7
    assert found["hits"][2]["best"]["spans"] == [[0, 6]]
