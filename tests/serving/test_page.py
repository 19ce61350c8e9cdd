"""The page without a script: what a browser is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient
from served_herbarium import open_herbarium, write_herbarium

from clipbio.search.index import Index
from clipbio.serving.app import create_app
from clipbio.serving.limits import Limits

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def herbarium(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return open_herbarium(write_herbarium(tmp_path_factory.mktemp("herbarium") / "index"))


@pytest.fixture(scope="module")
def browser(herbarium: Index) -> Iterator[TestClient]:
    limits = Limits(body_bytes=200_000)
    with TestClient(create_app(herbarium, limits), base_url="http://127.0.0.1", headers=HTML) as client:
        yield client


@pytest.fixture
def row(herbarium: Index) -> int:
    """Give a row with a picture and a description."""
    return next(row for row in range(len(herbarium.folder)) if herbarium.descriptions_of(row))


def hits(text: str) -> int:
    return text.count("data-hit>")


def test_the_first_page_has_examples_that_find_something(browser: TestClient) -> None:
    page = browser.get("/").text
    examples = re.findall(r'<a class="chip" href="([^"]+)">', page)
    assert len(examples) >= 3
    for link in examples:
        found = browser.get(link.replace("&amp;", "&") + "&engine=lexical").text
        assert hits(found) > 0, link
        assert "<mark>" in found
    assert hits(page) >= 4


def test_what_the_form_sends_becomes_a_short_link(browser: TestClient) -> None:
    sent = {"q": " leaves ", "dna": "", "engine": "fused", "show": "species", "f.family": "", "picture": ""}
    answer = browser.get("/", params=sent, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=leaves&show=species")


def test_results_say_what_and_why(browser: TestClient, herbarium: Index) -> None:
    page = browser.get("/?q=flowers+violet&size=8").text
    assert hits(page) == 8
    assert re.search(r"<mark>\w*[Vv]iolet", page)
    assert "description <b>1</b>" in page
    assert "score 0." in page
    assert f"{len(herbarium.folder)} specimens" in page


@pytest.mark.parametrize("show", ["specimens", "species", "descriptions"])
def test_every_kind_of_hit_is_shown(browser: TestClient, show: str) -> None:
    answer = browser.get("/", params={"q": "leaves", "show": show})
    assert answer.status_code == 200
    assert hits(answer.text) > 3


def test_filters_are_links_that_narrow(browser: TestClient, herbarium: Index) -> None:
    family, count = next(facet for facet in herbarium.facets() if facet.column == "family").values[0]
    page = browser.get("/?q=leaves").text
    link = f"/?q=leaves&f.family={family}"
    assert link in page.replace("&amp;", "&")
    narrowed = browser.get(link).text
    assert f'tabindex="-1">{count} specimens' in narrowed
    assert f"{family} <span aria-hidden" in narrowed


def test_filters_alone_list_what_passes(browser: TestClient, herbarium: Index) -> None:
    family, count = next(facet for facet in herbarium.facets() if facet.column == "family").values[0]
    page = browser.get("/", params={"f.family": family, "size": "100"}).text
    assert hits(page) == count
    assert "score" not in re.sub(r"<form.*?</form>", "", page, flags=re.S)
    link = re.findall(r'href="([^"]+format=csv)" download', page)[0].replace("&amp;", "&")
    assert len(browser.get(link).text.splitlines()) == count + 1


def test_all_hits_are_saved_whatever_the_page(browser: TestClient) -> None:
    page = browser.get("/?q=flowers+violet&show=species&size=5&page=2").text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)" download', page)]
    assert len(links) == 2
    table, objects = (browser.get(link) for link in links)
    assert len(objects.json()["hits"]) == 36
    assert len(table.text.strip().splitlines()) == 37


def test_a_range_of_numbers_is_a_filter(browser: TestClient) -> None:
    sent = {"q": "leaves", "from.leaf_length_cm": "4", "to.leaf_length_cm": "6"}
    answer = browser.get("/", params=sent)
    assert dict(parse_qsl(urlsplit(str(answer.url)).query)) == {"q": "leaves", "f.leaf_length_cm": "4..6"}
    assert hits(answer.text) > 0


def test_a_specimen_tells_all_of_itself(browser: TestClient, herbarium: Index, row: int) -> None:
    hit = Index.specimen(herbarium, str(herbarium.folder.rows.ids[row]))
    page = browser.get(f"/specimens/{hit.id}?q=leaves").text
    for text in (hit.name, hit.taxon.family, hit.licence, hit.common_name.replace("'", "&#39;"), "Leaf margin"):
        assert text in page
    assert page.count('class="prose"') == len(herbarium.descriptions_of(row))
    assert re.search("<mark>[Ll]eaves</mark>", page)
    assert hits(page) == 6
    assert 'href="/?q=leaves" data-back' in page
    assert browser.get(f"/pictures/{row}/full").status_code == 200


def test_an_uploaded_picture_finds_itself(browser: TestClient, herbarium: Index, row: int) -> None:
    picture = herbarium.picture(row)
    assert picture
    answer = browser.post("/", files={"picture": ("a.jpg", picture)}, data={"q": "", "show": "specimens"})
    assert answer.status_code == 200
    assert answer.url.path == "/"
    assert "vector=" in str(answer.url)
    assert answer.text.index(f'/pictures/{row}"') < answer.text.index("data-open")
    assert "your picture" in answer.text


def test_barcode_and_words_are_weighed(browser: TestClient) -> None:
    page = browser.get("/", params={"dna": "ACGTACGTACGTACGTACGT", "q": "leaves", "weight_dna": "2"}).text
    assert 'name="weight_dna" min="0.1" max="10" step="0.1" value="2.0"' in page
    assert hits(page) == 20


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/?q=", 400, "Nothing was asked"),
        ("/?qq=a", 400, "There is no parameter &#39;qq&#39;"),
        ("/?q=a&f.family=Nowhere", 400, "no specimen has the family &#39;Nowhere&#39;"),
        ("/?q=a&f.colour=red", 400, "no column &#39;colour&#39;"),
        ("/?vector=AAAA", 400, "Vector has 3 bytes"),
        ("/?dna=%21", 400, "letters that stand for no base"),
        ("/?specimen=none", 400, "no specimen &#39;none&#39;"),
        ("/specimens/none", 404, "No specimen &#39;none&#39;"),
        ("/nowhere", 404, "There is nothing at /nowhere"),
        ("/?q=leaves&page=2000", 400, "beyond the first 10,000 hits"),
        ("/?q=<script>alert(1)</script>&f.family=<b>", 400, "no specimen has the family"),
    ],
)
def test_bad_input_is_told_on_a_page(browser: TestClient, path: str, status: int, message: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert message.casefold() in answer.text.casefold()
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text
    assert "<b>'" not in answer.text


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("q=leaves&f.family=Rosaceae&page=99999", ['value="leaves"', "f.family"]),
        ("q=leaves&colour=red", ['value="leaves"']),
        ("f.family=Rosaceae&page=99999", ["f.family"]),
    ],
)
def test_who_is_refused_keeps_what_was_asked(browser: TestClient, asked: str, kept: list[str]) -> None:
    page = browser.get(f"/?{asked}").text
    assert "Nothing was searched" in page
    assert all(one in page for one in kept)


def test_a_page_behind_the_last_one_leads_back(browser: TestClient) -> None:
    page = browser.get("/?q=leaves&page=300").text
    assert "Nothing fits" not in page
    link = re.findall(r'The hits end before this page. <a href="([^"]+)">', page)[0]
    assert hits(browser.get(link.replace("&amp;", "&")).text) > 0


@pytest.mark.parametrize(
    ("upload", "status", "message"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "is no picture that is read here"),
        (b"", 400, "No picture was chosen"),
    ],
)
def test_a_bad_upload_is_told_on_a_page(browser: TestClient, upload: bytes, status: int, message: str) -> None:
    answer = browser.post("/", files={"picture": ("a.svg", upload)}, data={"q": "leaves"})
    assert answer.status_code == status
    assert message.casefold() in answer.text.casefold()
    assert 'value="leaves"' in answer.text


def test_programs_get_errors_as_json(browser: TestClient) -> None:
    assert browser.get("/nowhere", headers={"accept": "*/*"}).json() == {"error": "there is nothing at /nowhere"}


def test_texts_of_an_index_cannot_run(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    index = open_herbarium(write_herbarium(tmp_path / "index", name=name, num_species=4, num_unseen=0))
    with TestClient(create_app(index), base_url="http://127.0.0.1", headers=HTML) as client:
        page = client.get("/?q=leaves").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_the_footer_says_which_model_answers(browser: TestClient) -> None:
    footer = browser.get("/").text.split("<footer", 1)[1]
    for text in ("Virtual herbarium", "colours", "a1a1a1a1a1a1", "b2b2b2b2b2b2"):
        assert text in footer


def test_nothing_is_fetched_from_elsewhere(browser: TestClient) -> None:
    page = browser.get("/?q=leaves")
    sources = re.findall(r'(?:src|href|action)="([^"]*)"', page.text)
    assert all(source.startswith(("/", "#")) for source in sources)
    statics = {source for source in sources if source.startswith("/static/")}
    assert {browser.get(source).status_code for source in statics} == {200}
    assert " style=" not in page.text
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]


def test_a_server_without_a_model_asks_for_words_alone(herbarium: Index) -> None:
    index = Index(herbarium.folder)
    with TestClient(create_app(index), base_url="http://127.0.0.1", headers=HTML) as client:
        page = client.get("/").text
        found = client.get("/?q=leaves").text
    assert 'type="file"' not in page
    assert 'name="dna"' not in page
    assert hits(found) > 0


def test_below_a_path_of_a_proxy_all_links_stay_there(herbarium: Index) -> None:
    app = create_app(herbarium)
    with TestClient(app, base_url="http://127.0.0.1", headers=HTML, root_path="/herbarium") as client:
        page = client.get("/?q=leaves").text
    sources = re.findall(r'(?:src|href|action)="(/[^"]*)"', page)
    assert all(source.startswith("/herbarium/") for source in sources)
