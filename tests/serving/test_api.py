"""The HTTP interface: what it answers, and that its description says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fake_index import FakeIndex, picture_bytes
from fastapi.testclient import TestClient

from clipbio.serving import schemas
from clipbio.serving.app import create_app


def test_a_search_answers_hits_with_their_reasons(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "serrate", "size": 5}).json()
    found = schemas.Found.model_validate(answer)
    assert (found.total, len(found.hits), found.page, found.link) == (15, 5, 1, "/?q=serrate&size=5")
    first = answer["hits"][0]
    assert first["taxon"] == {
        "kingdom": "Plantae",
        "phylum": "Tracheophyta",
        "class": "",
        "order": "",
        "family": "Rosaceae",
        "genus": "Rosa",
        "species": "canina",
    }
    assert first["passage"]["spans"] == [[0, 6]]
    assert first["lists"] == {"description": 1}
    assert first["values"]["height"] is None  # JSON has no NaN
    assert client.get(first["picture"]).status_code == 200
    assert client.get(first["self"]).json()["id"] == "herb:0/a"


def test_pages_lead_through_all_hits(client: TestClient) -> None:
    path, seen = "/api/search?q=leaves&size=20", []
    while path:
        answer = client.get(path).json()
        seen += [hit["id"] for hit in answer["hits"]]
        path = answer["next"]
    assert len(seen) == len(set(seen)) == 45


@pytest.mark.parametrize("show", ["specimens", "species", "descriptions"])
def test_every_kind_of_hit_fits_its_description(client: TestClient, show: str) -> None:
    answer = client.get("/api/search", params={"q": "leaves", "show": show}).json()
    found = schemas.Found.model_validate(answer)
    assert found.show == show
    assert answer["hits"][0] == found.hits[0].model_dump(exclude_unset=True, mode="json")


def test_filters_narrow(client: TestClient) -> None:
    query = {"q": "leaves", "f.family": ["Rosaceae", "Poaceae"]}
    assert client.get("/api/search", params=query).json()["total"] == 30


def test_json_asks_the_same(client: TestClient) -> None:
    body = {"q": "leaves", "where": {"family": ["Rosaceae"]}, "weights": {"text": 2}, "page": 2, "size": 10}
    answer = client.post("/api/search", json=body).json()
    assert answer["link"] == "/?q=leaves&weight_text=2&f.family=Rosaceae&page=2&size=10"
    assert len(answer["hits"]) == 5
    assert client.get(f"/api/search{answer['link'][1:]}").json()["hits"] == answer["hits"]


@pytest.mark.parametrize("body", [{"files": {"image": picture_bytes()}}, {"json": {"q": "leaves"}}])
def test_what_is_posted_may_have_parameters_in_its_url(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/search?size=3&f.family=Poaceae", **body).json()
    assert {hit["taxon"]["family"] for hit in answer["hits"]} == {"Poaceae"}
    assert len(answer["hits"]) == 3
    assert client.post("/api/search?sise=3", **body).status_code == 400
    assert client.post("/api/vector?size=3", **body).status_code == 400


def test_a_posted_picture_becomes_a_link_that_lasts(client: TestClient) -> None:
    answer = client.post(
        "/api/search", files={"image": ("a.jpg", picture_bytes())}, data={"weight_vector": "2", "q": "oval"}
    ).json()
    assert answer["link"].startswith("/?q=oval&vector=")
    assert "weight_vector=2" in answer["link"]
    assert client.get(f"/api/search{answer['link'][1:]}").json()["link"] == answer["link"]


@pytest.mark.parametrize(
    "body", [{"files": {"image": picture_bytes()}}, {"json": {"dna": "ACGT"}}, {"data": {"dna": "ACGT"}}]
)
def test_vectors_are_given_out(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/vector", **body)
    vector = schemas.Vector.model_validate(answer.json()).vector
    assert client.get("/api/search", params={"vector": vector}).status_code == 200


def test_what_is_like_a_specimen_leaves_it_out(client: TestClient) -> None:
    answer = client.get("/api/similar", params={"specimen": "herb:0/a"}).json()
    assert answer["total"] == 14
    assert "herb:0/a" not in {hit["id"] for hit in answer["hits"]}


def test_facets_have_counts(client: TestClient) -> None:
    answer = client.get("/api/facets", params={"f.family": "Rosaceae"}).json()
    assert schemas.Facets.model_validate(answer)
    assert answer["facets"] == [
        {"column": "family", "values": [["Rosaceae", 15], ["Fagaceae", 15], ["Poaceae", 15]], "range": None}
    ]


def test_characters_have_counts(client: TestClient) -> None:
    answer = client.get("/api/traits", params={"f.family": "Poaceae"}).json()
    assert schemas.TraitFacets.model_validate(answer)
    assert answer["traits"][0]["values"] == [["linear", 15]]


def test_a_specimen_has_its_descriptions(client: TestClient) -> None:
    answer = client.get("/api/specimens/herb%3A1%2Fa").json()
    assert schemas.Specimen.model_validate(answer)
    assert answer["descriptions"][0]["text"].startswith("Leaves lobed")
    assert answer == client.get("/api/specimens/herb:1/a").json()


def test_the_facts_hold_no_folder_of_this_machine(client: TestClient) -> None:
    answer = client.get("/api/index")
    facts = schemas.About.model_validate(answer.json())
    assert (facts.model, facts.weights["image"], facts.rows) == ("tiny", "a1b2c3", 45)
    assert "secret" not in answer.text


@pytest.mark.parametrize("exact", [True, False])
def test_the_server_decides_whether_every_vector_is_compared(index: FakeIndex, exact: bool) -> None:
    client = TestClient(create_app(index, exact=exact), base_url="http://127.0.0.1")
    assert client.get("/api/similar", params={"specimen": "herb:1/a"}).status_code == 200
    assert index.exact is exact
    # This index has no approximate search.
    assert client.get("/api/index").json()["exact"] is True


def test_it_lives(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_a_server_without_a_model_says_so(client: TestClient, index: FakeIndex) -> None:
    index.encoder = None
    answer = client.post("/api/search", files={"image": picture_bytes()})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "this server cannot search by a picture: its model has no tower 'image'"},
    )
    assert client.get("/api/index").json()["asked_by"] == []


def test_the_description_of_the_interface_is_whole(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    # The version that the bundled Swagger UI reads.
    assert schema["openapi"] == "3.0.3"
    for path, methods in schema["paths"].items():
        for method in methods.values():
            assert method["description"], path
            # What FastAPI would say of errors; here they are one sentence.
            assert "422" not in method["responses"]
            for one in method.get("parameters", []):
                assert one["in"] == "path" or one["description"], (path, one["name"])
                explained = one.get("example") or one.get("examples") or one["schema"].keys() & {"default", "enum"}
                assert one["in"] == "path" or explained, (path, one["name"])
    names = {one["name"] for one in schema["paths"]["/api/search"]["get"]["parameters"]}
    assert {"q", "dna", "specimen", "vector", "filters", "engine", "show", "key", "page", "size"} <= names
    assert (
        "image"
        in schema["paths"]["/api/search"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"][
            "properties"
        ]
    )


def test_the_page_of_the_interface_needs_no_other_server(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for path in ("/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"):
        assert path in page
        assert client.get(path).status_code == 200
    assert client.get("/docs/index.html").status_code == 404


def test_a_browser_keeps_a_picture_until_the_index_changes(client: TestClient, index: FakeIndex) -> None:
    first = client.get("/pictures/0")
    assert "no-cache" in first.headers["cache-control"]
    kept = {"if-none-match": first.headers["etag"]}
    again = client.get("/pictures/0", headers=kept)
    assert (again.status_code, again.content) == (304, b"")
    # Rows are numbered anew when an index is compacted, or made again.
    for change in ({"number": 7}, {"created": "2026-02-01T00:00:00+00:00"}):
        index.folder.manifest = replace(index.folder.manifest, **change)
        changed = client.get("/pictures/0", headers=kept)
        assert (changed.status_code, changed.content) == (200, first.content)
        kept = {"if-none-match": changed.headers["etag"]}
