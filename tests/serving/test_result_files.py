"""Lists of results as files."""

import csv
import io

import pytest
from fastapi.testclient import TestClient


def test_all_hits_come_as_csv(client: TestClient) -> None:
    answer = client.get("/api/export", params={"q": "leaves", "page": 2, "size": 5, "f.family": "Rosaceae"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="results.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["rank"] for row in rows] == [str(place) for place in range(1, 16)]
    assert rows[0]["id"] == "herb:0/a"
    assert rows[0]["note"] == "'=1+1"  # spreadsheets must not run it


@pytest.mark.parametrize(("show", "count"), [("specimens", 45), ("species", 3), ("descriptions", 3)])
def test_all_hits_come_as_json(client: TestClient, show: str, count: int) -> None:
    answer = client.get("/api/export", params={"q": "leaves", "format": "json", "show": show})
    found = answer.json()
    assert (len(found["hits"]), found["total"], found["show"]) == (count, count, show)
    assert client.get(f"/api/search{found['link'][1:]}").json()["hits"] == found["hits"][:20]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("q=a&format=xls", "there is no such format"),
        ("", "the query is empty"),
        ("q=a&f.x=1", "there is no column 'x'"),
    ],
)
def test_what_cannot_be_exported(client: TestClient, query: str, message: str) -> None:
    answer = client.get(f"/api/export?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]
