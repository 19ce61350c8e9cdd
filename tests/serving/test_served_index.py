"""A real index over HTTP: the answers are those of the index itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_index import FakeEncoder, picture_bytes
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from search_worlds import write_world
from servers import running

from clipbio.search.export import plain
from clipbio.search.index import Index
from clipbio.serving import schemas
from clipbio.serving.app import create_app

WORDS = ("leaves alternate", "white flowers -hairy", '"flowers white"', "acorns", "-hairy")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(write_world(tmp_path_factory.mktemp("world") / "index"), FakeEncoder())


@pytest.fixture(scope="module")
def client(index: Index) -> TestClient:
    return TestClient(create_app(index), base_url="http://localhost", raise_server_exceptions=False)


@pytest.mark.parametrize("show", ["specimens", "species", "descriptions"])
@pytest.mark.parametrize("engine", ["fused", "lexical", "vector"])
def test_http_answers_what_the_index_answers(client: TestClient, index: Index, engine: Any, show: Any) -> None:
    for words in WORDS:
        answer = client.get("/api/search", params={"q": words, "engine": engine, "show": show, "size": 7, "page": 2})
        assert answer.status_code == 200
        schemas.Found.model_validate(answer.json())
        found = index.search(words, k=7, offset=7, engine=engine, show=show)
        expected = plain(found)
        answered = answer.json()
        assert [one["score"] for one in answered["hits"]] == [one["score"] for one in expected["hits"]]
        assert [one["taxon"] for one in answered["hits"]] == [one["taxon"] for one in expected["hits"]]
        assert (answered["total"], answered["notes"]) == (found.total, list(found.notes))


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("q=leaves&f.family=Rosacea", 400, "Rosaceae"),
        ("q=leaves&f.famly=Rosaceae", 400, "family"),
        ("q=leaves&f.year=abc..1900", 400, "year"),
        ("q=leaves&f.country=%3Cscript%3E", 400, "country"),
        ("q=...", 400, "empty"),
        ("q=%00", 400, "empty"),
        ("specimen=s99", 400, "s99"),
        ("specimen=s1&key=text", 400, "key"),
    ],
)
def test_what_the_index_refuses_is_told(client: TestClient, query: str, status: int, told: str) -> None:
    for path in ("/api/search", "/api/export"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == status, answer.text
        assert told in answer.json()["error"]


def test_filters_pictures_and_specimens_work_together(client: TestClient) -> None:
    form = {"q": "leaves", "f.family": "rosaceae", "f.year": "1901..1920", "weight_text": "2"}
    answer = client.post("/api/search", files={"image": picture_bytes()}, data=form).json()
    assert answer["hits"]
    assert {hit["taxon"]["family"] for hit in answer["hits"]} == {"Rosaceae"}
    again = client.get(f"/api/search{answer['link'][1:]}").json()
    assert [hit["id"] for hit in again["hits"]] == [hit["id"] for hit in answer["hits"]]
    similar = client.get("/api/similar", params={"specimen": "s1"}).json()
    assert "s1" not in {hit["id"] for hit in similar["hits"]}


def test_records_facets_and_facts(client: TestClient) -> None:
    record = client.get("/api/specimens/s1")
    assert schemas.Specimen.model_validate(record.json())
    assert "Fruits red" in record.json()["descriptions"][0]["text"]
    facets = client.get("/api/facets", params={"f.family": "Rosaceae"}).json()
    assert schemas.Facets.model_validate(facets)
    counts = {facet["column"]: dict(facet["values"]) for facet in facets["facets"]}
    assert set(counts["family"]) == {"Rosaceae", "Fagaceae"}
    assert set(counts["genus"]) == {"Rosa", "Rubus"}
    assert client.get("/api/specimens/s39").status_code == 404  # deleted
    assert client.get("/pictures/3").status_code == 404
    facts = schemas.About.model_validate(client.get("/api/index").json())
    assert (facts.rows, facts.alive) == (40, 37)


@pytest.fixture(scope="module")
def port(index: Index) -> Iterator[int]:
    with running(create_app(index)) as port:
        yield port


def test_fifty_clients_at_once_get_what_each_asked_for(port: int, index: Index) -> None:
    questions = [(words, show) for words in WORDS for show in ("specimens", "species")] * 5
    expected = {one: plain(index.search(one[0], k=20, show=one[1]))["hits"] for one in set(questions)}  # type: ignore[arg-type]

    def ask(question: tuple[str, str]) -> list[tuple[float, str]]:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False, trust_env=False) as client:
            hits = client.get("/api/search", params={"q": question[0], "show": question[1]}).json()["hits"]
            return [(hit["score"], hit["name"]) for hit in hits]

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(ask, questions))
    assert len(answers) == 50
    for question, answer in zip(questions, answers, strict=True):
        assert answer == [(hit["score"], hit["name"]) for hit in expected[question]]


def test_an_index_without_a_model_is_searched_by_words(tmp_path: Path) -> None:
    client = TestClient(create_app(Index(write_world(tmp_path / "index"))), base_url="http://localhost")
    answer = client.get("/api/search?q=acorns").json()
    assert answer["engine"] == "lexical"
    assert answer["notes"]
    assert client.post("/api/vector", files={"image": picture_bytes()}).status_code == 400


@settings(max_examples=60)
@given(
    words=st.text(max_size=30)
    | st.lists(st.sampled_from(['"', "-", "not", "leaves", "-hairy", "'", "\x00"])).map(" ".join),
    column=st.sampled_from(["family", "species", "year", "id", "label", "country"]),
    value=st.text(max_size=10) | st.sampled_from(["Rosaceae", "..", "1900..", "..1e999", "nan..nan"]),
    engine=st.sampled_from(["fused", "lexical", "vector"]),
)
def test_whatever_is_asked_gets_an_answer(client: TestClient, words: str, column: str, value: str, engine: str) -> None:
    answer = client.get("/api/search", params={"q": words, f"f.{column}": value, "engine": engine})
    assert answer.status_code in (200, 400)
    assert ("hits" in answer.json()) == (answer.status_code == 200)


def test_filters_alone_list_what_passes(client: TestClient, index: Index) -> None:
    column, values = next((facet.column, facet.values) for facet in index.facets(None) if len(facet.values) > 1)
    value, count = values[0]
    filters = {f"f.{column}": value}
    found = client.get("/api/search", params={**filters, "size": 100}).json()
    assert (found["total"], {hit["rank"] for hit in found["hits"]}) == (count, {0})
    names = [hit["name"] for hit in found["hits"]]
    assert names == sorted(names)
    lines = client.get("/api/export", params=filters).text.splitlines()
    assert len(lines) == count + 1
    refused = client.get("/api/search", params={**filters, "show": "species"})
    assert (refused.status_code, "filters alone list specimens" in refused.text) == (400, True)
