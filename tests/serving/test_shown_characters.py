"""What pictures show, and verdicts about descriptions: on the page without a script, and for programs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from described_herbarium import CHARACTERS, describer_for
from fastapi.testclient import TestClient
from served_herbarium import open_herbarium, write_herbarium

from clipbio.characters.describer import Describer
from clipbio.characters.evidence import evidence
from clipbio.search.index import Index
from clipbio.serving import schemas
from clipbio.serving.app import create_app

ROW = 5


@pytest.fixture(scope="module")
def herbarium(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return open_herbarium(write_herbarium(tmp_path_factory.mktemp("herbarium") / "index"))


@pytest.fixture(scope="module")
def describer(herbarium: Index) -> Describer:
    return describer_for(herbarium)


@pytest.fixture(scope="module")
def browser(herbarium: Index, describer: Describer) -> Iterator[TestClient]:
    app = create_app(herbarium, describer=describer)
    with TestClient(app, base_url="http://127.0.0.1", headers={"accept": "text/html"}) as client:
        yield client


@pytest.fixture(scope="module")
def id(herbarium: Index) -> str:
    return str(herbarium.folder.rows.ids[ROW])


def test_an_uploaded_picture_is_described_and_each_state_leads_on(
    browser: TestClient, herbarium: Index, describer: Describer
) -> None:
    answer = browser.post("/", files={"picture": ("a.jpg", herbarium.picture(ROW))}, data={"q": ""})
    part = re.findall(r'<section class="shown".*?</section>', answer.text, re.S)[0]
    told = describer.predict(herbarium.folder.vectors("image").of(ROW)[None])[0]
    bars = re.findall(r'<tr><th scope="row">([^<]+)</th>.*?<meter[^>]* value="([\d.]+)"', part, re.S)
    assert [name for name, _ in bars] == [one.character for one in told]
    assert float(bars[0][1]) == pytest.approx(min(told[0].confidence, 0.99), abs=0.01)
    assert "less sure" in part
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', part)]
    filtered = next(link for link in links if "f.trait=" in link)
    assert parse_qs(urlsplit(filtered).query)["f.trait"] == [f"{told[0].character}={told[0].state}"]
    assert browser.get(filtered).status_code == 200
    searched = next(link for link in links if link.startswith("/?q="))
    assert browser.get(searched).status_code == 200
    assert part.count('class="prose"') == 3
    assert 'class="shown"' not in browser.get(str(answer.url) + "&page=2").text
    assert 'class="shown"' not in browser.get("/?q=leaves").text


def test_what_is_written_has_verdicts_of_the_sheets(
    browser: TestClient, herbarium: Index, describer: Describer, id: str
) -> None:
    page = browser.get(f"/specimens/{id}").text
    assert "On the sheets" in page
    assert "Verdicts are those of 4 sheets" in page
    answer = browser.get("/api/evidence", params={"specimen": id}).json()
    assert schemas.Verdicts.model_validate(answer)
    taxon = int(herbarium.folder.taxon_N[ROW])
    sheets = np.flatnonzero(herbarium.folder.taxon_N == taxon)
    traits = [trait for text in herbarium.descriptions_of(ROW) for trait in text["traits"]]
    wanted = evidence(describer, traits, herbarium.folder.vectors("image").take(sheets))
    assert answer["sheets"] == len(sheets) == 4
    assert [one["verdict"] for one in answer["evidence"]] == [one.verdict for one in wanted]
    verdicts = {one["verdict"] for one in answer["evidence"]}
    assert "supported" in verdicts
    assert "not visible" in verdicts
    for verdict in verdicts:
        assert f'class="verdict {verdict.replace(" ", "-")}"' in page


@pytest.mark.parametrize("by", ["specimen", "vector"])
def test_programs_ask_what_a_picture_shows(browser: TestClient, herbarium: Index, id: str, by: str) -> None:
    given = {"specimen": id}
    if by == "vector":
        given = {"vector": browser.post("/api/vector", files={"image": herbarium.picture(ROW)}).json()["vector"]}
    answer = browser.get("/api/describe", params=given).json()
    found = schemas.PictureCharacters.model_validate(answer)
    assert {one.character for one in found.characters} == set(CHARACTERS)
    assert found.sentence.endswith(".")
    assert len(found.descriptions) == 3
    assert answer["descriptions"][0] == found.descriptions[0].model_dump(exclude_unset=True, mode="json")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/describe", 400, "give specimen= or vector="),
        ("/api/describe?specimen=none", 404, "no specimen"),
        ("/api/describe?vector=AAAA", 400, "vector has 3 bytes"),
        ("/api/describe?specimen=a&vector=b", 400, "and nothing else"),
        ("/api/evidence?vector=AAAA", 400, "give specimen="),
        ("/api/evidence?specimen=none", 404, "no specimen"),
        ("/api/describe?specimn=a", 400, "did you mean 'specimen'"),
    ],
)
def test_bad_questions_are_told(browser: TestClient, path: str, status: int, message: str) -> None:
    answer = browser.get(path, headers={"accept": "*/*"})
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_without_a_describer_nothing_is_read_off_pictures(herbarium: Index, id: str) -> None:
    with TestClient(create_app(herbarium), base_url="http://127.0.0.1") as client:
        for path in ("describe", "evidence"):
            answer = client.get(f"/api/{path}", params={"specimen": id})
            assert answer.status_code == 404
            assert "start it with characters=FOLDER" in answer.json()["error"]
        page = client.get(f"/specimens/{id}", headers={"accept": "text/html"}).text
        found = client.post("/", files={"picture": ("a.jpg", herbarium.picture(ROW))}).text
    assert "On the sheets" not in page
    assert '<table class="traits">' in page
    assert 'class="shown"' not in found
