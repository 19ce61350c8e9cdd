"""Traits on the page without a script: facets, chips, marked phrases, heat maps."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from served_herbarium import ColourEncoder, LookingEncoder, open_herbarium, write_herbarium

from clipbio.errors import ClipbioError
from clipbio.search.index import Index
from clipbio.serving.app import create_app
from clipbio.serving.descriptions import pieces, stated
from clipbio.serving.heat_layers import SIDE, layer
from clipbio.serving.limits import Limits
from clipbio.traits import Trait

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def herbarium(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return open_herbarium(write_herbarium(tmp_path_factory.mktemp("herbarium") / "index"))


@pytest.fixture(scope="module")
def browser(herbarium: Index) -> Iterator[TestClient]:
    with TestClient(create_app(herbarium), base_url="http://127.0.0.1", headers=HTML) as client:
        yield client


def links(page: str, part: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'href="([^"]+)"', page) if part in html.unescape(link)]


def total(page: str) -> int:
    return int(re.findall(r'tabindex="-1">([\d,]+) specimen', page)[0].replace(",", ""))


def test_states_are_links_that_narrow_and_chips_take_them_away(browser: TestClient, herbarium: Index) -> None:
    facet = next(facet for facet in herbarium.trait_facets() if facet.character == "leaf shape")
    state, count = facet.values[0]
    page = browser.get("/?q=leaves").text
    assert 'data-organ="leaf"' in page
    link = next(
        link for link in links(page, "f.trait=") if parse_qs(urlsplit(link).query)["f.trait"] == [f"leaf shape={state}"]
    )
    narrowed = browser.get(link).text
    assert total(narrowed) == count
    assert f"<b>leaf shape</b> {state}" in narrowed
    assert 'data-organ="leaf" open' in narrowed
    assert "/?q=leaves" in links(narrowed, "/?q=leaves")
    margin = next(link for link in links(narrowed, "leaf+margin") if link.count("f.trait") == 2)
    assert 0 < total(browser.get(margin).text) <= count


def test_a_range_of_a_measure_is_a_form(browser: TestClient, herbarium: Index) -> None:
    facet = next(facet for facet in herbarium.trait_facets() if facet.range)
    low, high = facet.range
    page = browser.get("/?q=leaves").text
    assert f'name="from.trait={facet.character}"' in page
    sent = {"q": "leaves", f"from.trait={facet.character}": f"{low:g}", f"to.trait={facet.character}": f"{high:g}"}
    answer = browser.get("/", params=sent)
    assert parse_qs(urlsplit(str(answer.url)).query)["f.trait"] == [f"{facet.character}={low:g}..{high:g}"]
    assert total(answer.text) == facet.specimens
    again = browser.get("/", params=[("q", "leaves"), ("f.trait", f"{facet.character}={low:g}..{high:g}")]).text
    form = next(one for one in re.findall(r"<form.*?</form>", again, re.S) if f"from.trait={facet.character}" in one)
    assert "f.trait" not in form


@pytest.mark.parametrize(
    ("condition", "message"),
    [("leaf shap=ovate", "did you mean &#39;leaf shape&#39;"), ("ovate", "is no character with a state")],
)
def test_what_is_unknown_is_told(browser: TestClient, condition: str, message: str) -> None:
    answer = browser.get("/", params={"q": "leaves", "f.trait": condition})
    assert answer.status_code == 400
    assert message in answer.text


def test_an_index_without_traits_has_no_such_facets(tmp_path) -> None:
    path = write_herbarium(tmp_path / "index", num_species=4, num_unseen=0, traits=False)
    with TestClient(create_app(open_herbarium(path)), base_url="http://127.0.0.1", headers=HTML) as client:
        page = client.get("/?q=leaves").text
        asked = client.get("/api/traits")
        filtered = client.get("/?q=leaves&f.trait=leaf+shape%3Dovate")
    assert "data-organ" not in page
    assert "made without traits" in asked.json()["error"]
    assert (asked.status_code, filtered.status_code) == (400, 400)
    assert "made without traits: make it again" in filtered.text


def test_a_description_has_its_phrases_marked(browser: TestClient, herbarium: Index) -> None:
    hit = herbarium.search("leaves", engine="lexical", show="descriptions", k=1).hits[0]
    page = browser.get("/?q=leaves&show=descriptions&engine=lexical").text
    first = page[page.index("data-hit>") :].split("</li>")[0]
    marks = re.findall(r'<a class="trait".*?</a>', first, re.S)
    assert 3 < len(marks) <= len(hit.traits)
    assert all("f.trait=" in mark and 'role="tooltip"' in mark for mark in marks)
    assert '<table class="traits">' in first
    assert "<mark>" in first
    # What is shown is the text, whole and in its order.
    prose = re.sub(r'<span class="tip".*?</span></span>', "", re.findall(r'<p class="prose">(.*?)</p>', first, re.S)[0])
    assert html.unescape(re.sub(r"<[^>]+>", "", prose)) == hit.text


def test_a_phrase_leads_to_its_place_in_the_picture(browser: TestClient, herbarium: Index) -> None:
    hit = herbarium.specimen(herbarium.folder.rows.ids[5].as_py())
    page = browser.get(f"/specimens/{hit.id}?q=leaves").text
    assert 'class="heat"' not in page
    link = links(page, "heat=")[0]
    assert link.startswith(f"/specimens/{hit.id}?q=leaves&heat=")
    shown = browser.get(link).text
    source = next(html.unescape(one) for one in re.findall(r'class="heat" src="([^"]+)"', shown))
    assert source.startswith(f"/pictures/{hit.row}/heat?q=")
    assert browser.get(source).headers["content-type"] == "image/png"
    current = re.findall(r'<a class="trait" id="([^"]+)"[^>]* aria-current="true"', shown)
    assert current
    assert f'href="#{current[0]}" data-phrase>' in shown
    assert f'href="/specimens/{hit.id}?q=leaves" data-sheet' in shown


def test_hits_lead_to_the_places_of_the_question(browser: TestClient) -> None:
    page = browser.get("/", params={"q": "flowers violet, -hairy"}).text
    wheres = [link for link in links(page, "heat=") if link.startswith("/specimens/")]
    assert len(wheres) == 20
    assert {parse_qs(urlsplit(link).query)["heat"][0] for link in wheres} == {"flowers violet"}
    assert 'class="where"' not in browser.get("/?f.kingdom=Plantae").text


def test_a_layer_has_the_shape_of_the_picture_and_is_kept(browser: TestClient, herbarium: Index) -> None:
    asked: list[list[str]] = []
    encoder = herbarium.encoder
    look = LookingEncoder.heat
    encoder.heat = lambda data, texts: asked.append(list(texts)) or look(encoder, data, texts)
    try:
        answers = [browser.get("/pictures/5/heat", params={"q": text}) for text in ("flowers", " flowers ", "leaves")]
    finally:
        del encoder.heat
    assert asked == [["flowers"], ["leaves"]]
    layers = [Image.open(io.BytesIO(answer.content)) for answer in answers]
    picture = Image.open(io.BytesIO(herbarium.picture(5)))
    assert {one.mode for one in layers} == {"RGBA"}
    assert max(layers[0].size) == SIDE
    assert layers[0].width / layers[0].height == pytest.approx(picture.width / picture.height, abs=0.02)
    half = layers[0].height // 2
    upper, lower = (np.asarray(one)[..., 3] for one in (layers[0], layers[2]))
    assert upper[:half].sum() > 10 * upper[half + 20 :].sum()
    assert lower[half:].sum() > 10 * lower[: half - 20].sum()
    tag = answers[0].headers["etag"]
    assert browser.get("/pictures/5/heat", params={"q": "x"}, headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/pictures/5/heat", 400, "q is empty"),
        ("/pictures/5/heat?q=%20", 400, "q is empty"),
        ("/pictures/99999/heat?q=leaf", 404, "has no picture"),
        ("/pictures/x/heat?q=leaf", 404, "has no picture"),
        (f"/pictures/5/heat?q={'a' * 2001}", 400, "2,000 are allowed"),
    ],
)
def test_bad_places_are_told(browser: TestClient, path: str, status: int, message: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_model_that_tells_no_places_is_not_asked(herbarium: Index) -> None:
    blind = Index(herbarium.folder, ColourEncoder())
    id = herbarium.folder.rows.ids[5].as_py()
    with TestClient(create_app(blind), base_url="http://127.0.0.1", headers=HTML) as client:
        answer = client.get("/pictures/5/heat?q=leaf")
        page = client.get(f"/specimens/{id}?q=leaves").text
        told = client.get(f"/specimens/{id}?heat=leaf").text
        hits = client.get("/?q=leaves").text
    assert answer.status_code == 400
    assert "does not join words and pictures" in answer.json()["error"]
    assert 'name="heat"' not in page
    assert "f.trait=" in links(page, "f.trait=")[0]
    assert "This server cannot show where words are" in told
    assert 'class="where"' not in hits


def test_a_model_that_is_still_loaded_is_waited_for(herbarium: Index) -> None:
    late = LookingEncoder()
    late.is_ready = False
    id = herbarium.folder.rows.ids[5].as_py()
    app = create_app(Index(herbarium.folder, late), Limits(wait_seconds=0.2))
    with TestClient(app, base_url="http://127.0.0.1", headers=HTML) as client:
        answer = client.get("/pictures/5/heat?q=leaf")
        page = client.get(f"/specimens/{id}?heat=leaf").text
    assert answer.status_code == 503
    assert "still being loaded" in answer.json()["error"]
    assert "The model is still being loaded" in page


def test_pieces_join_what_overlaps_and_leave_nothing_out() -> None:
    text = "Leaves dark <green>, ovate."
    traits = [
        Trait(organ="leaf", property="colour", value="green", shade="dark", phrase="dark <green>", start=7, end=19),
        Trait(organ="leaf", property="colour", value="green", phrase="<green>", start=12, end=19),
        Trait(organ="leaf", property="shape", value="ovate", phrase="ovate", start=21, end=26, negated=True),
    ]
    found = pieces(text, [(0, 6), (12, 26)], traits)
    assert [(html.unescape(re.sub("</?mark>", "", str(piece.text))), len(piece.traits)) for piece in found] == [
        ("Leaves ", 0),
        ("dark <green>", 2),
        (", ", 0),
        ("ovate", 1),
        (".", 0),
    ]
    assert "<green>" not in "".join(str(piece.text) for piece in found)
    assert [one.value for one in found[1].traits] == ["green (dark)", "green"]
    assert found[3].traits[0].condition == ""
    assert [one.value for one in stated(traits + traits)] == ["green (dark)", "green", "not ovate"]


def test_a_map_that_is_the_same_everywhere_shows_nothing() -> None:
    flat = np.asarray(Image.open(io.BytesIO(layer(np.ones((4, 4)), (40, 20)))))
    assert flat[..., 3].max() == 0
    assert flat.shape == (SIDE // 2, SIDE, 4)


def test_errors_of_the_model_are_told(herbarium: Index) -> None:
    class Failing(LookingEncoder):
        def heat(self, data, texts):
            raise ClipbioError("it has diverged")

    with TestClient(create_app(Index(herbarium.folder, Failing())), base_url="http://127.0.0.1") as client:
        assert client.get("/pictures/5/heat?q=leaf").json() == {"error": "it has diverged"}
