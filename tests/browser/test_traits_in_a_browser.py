"""Traits, heat maps and described pictures as people use them: with a mouse, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from clipbio.search.index import Index

pytestmark = pytest.mark.browser

ROW = 5


def asked(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def natural_width(page, selector: str) -> int:
    page.wait_for_function("selector => document.querySelector(selector)?.naturalWidth > 0", arg=selector)
    return page.locator(selector).first.evaluate("image => image.naturalWidth")


@pytest.fixture
def id(index: Index) -> str:
    return str(index.folder.rows.ids[ROW])


@pytest.fixture
def picture(index: Index, tmp_path: Path) -> Path:
    path = tmp_path / "sheet.jpg"
    path.write_bytes(index.picture(ROW) or b"")
    return path


@pytest.mark.parametrize("settings", [{}, {"java_script_enabled": False}, {"width": 360}])
def test_a_state_narrows_and_its_chip_takes_it_away(open_page, index: Index, settings) -> None:
    page = open_page("/?q=leaves", **settings)
    state, count = next(one for one in index.trait_facets() if one.character == "leaf shape").values[0]
    if settings.get("width"):
        page.get_by_role("link", name="Filters").click()
    organ = page.locator("[data-organ=leaf]")
    shape = organ.locator("[data-character='leaf shape']")
    assert not shape.is_visible()
    organ.locator("summary").first.press("Enter")
    shape.get_by_role("link", name=state).first.click()
    page.wait_for_url("**f.trait=**")
    assert asked(page)["f.trait"] == [f"leaf shape={state}"]
    assert page.get_by_role("heading", level=1).text_content() == f"{count} specimens"
    page.get_by_role("link", name=f"leaf shape {state}").click()
    page.wait_for_url("**/?q=leaves")


def test_a_range_of_a_measure_is_set(open_page, index: Index) -> None:
    facet = next(one for one in index.trait_facets() if one.range)
    page = open_page("/?q=leaves")
    page.locator(f"[data-organ={facet.organ}] > summary").click()
    part = page.locator(f"[data-character='{facet.character}']")
    part.get_by_label(f"{facet.character} from").fill("10")
    part.get_by_label(f"{facet.character} up to").fill("5000")
    part.get_by_role("button", name="Set").click()
    page.wait_for_url("**f.trait=**")
    assert asked(page)["f.trait"] == [f"{facet.character}=10..5000"]


def test_a_phrase_tells_its_character_to_mouse_and_keyboard(open_page) -> None:
    page = open_page("/?q=leaves&show=descriptions")
    phrase = page.locator("a.trait").nth(1)
    tip = phrase.get_by_role("tooltip", include_hidden=True)
    assert not tip.is_visible()
    phrase.hover()
    assert re.fullmatch(r"\w[\w ]* [\w ]+: .+", tip.text_content().strip())
    assert tip.is_visible()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    page.keyboard.press("Tab")
    phrase.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert tip.is_visible()


def test_the_places_of_a_question_are_shown_on_demand(open_page) -> None:
    page = open_page("/?q=violet+flowers")
    hit = page.locator("[data-look]").nth(1)
    assert page.locator(".heat").count() == 0
    where = hit.get_by_role("link", name="where?")
    where.click()
    assert natural_width(page, "[data-look]:nth-child(2) .heat") > 100
    boxes = [hit.locator(one).bounding_box() for one in (".mat", ".heat")]
    assert boxes[0] == pytest.approx(boxes[1], abs=1)
    assert urlsplit(page.url).path == "/"
    where.click()
    assert not hit.locator(".heat").is_visible()


def test_a_phrase_and_its_place_lead_to_each_other(open_page, id: str) -> None:
    page = open_page(f"/specimens/{id}?q=leaves")
    assert page.locator(".heat").count() == 0
    phrase = page.locator("a.trait").nth(3)
    words = phrase.get_attribute("data-heat")
    phrase.click()
    assert natural_width(page, ".heat") > 100
    assert asked(page) == {"q": ["leaves"], "heat": [words]}
    assert phrase.get_attribute("aria-current") == "true"
    assert page.locator("[data-words]").text_content() == words
    back = page.get_by_role("link", name="in the description")
    assert back.get_attribute("href") == f"#{page.locator('a.trait[aria-current]').first.get_attribute('id')}"
    toggle = page.locator("[data-sheet]")
    toggle.click()
    assert not page.locator(".heat").is_visible()
    assert toggle.text_content() == "heat map"
    toggle.click()
    assert page.locator(".heat").is_visible()
    # The address says it all: loaded again it shows the same.
    again = open_page(page.url)
    assert natural_width(again, ".heat") > 100
    assert again.locator("a.trait[aria-current]").first.get_attribute("data-heat") == words


def test_any_words_are_looked_for_in_a_picture(open_page, id: str) -> None:
    page = open_page(f"/specimens/{id}")
    page.get_by_label("Where is it?").fill("red flowers")
    page.get_by_label("Where is it?").press("Enter")
    assert natural_width(page, ".heat") > 100
    assert asked(page) == {"heat": ["red flowers"]}


def test_what_goes_wrong_with_a_heat_map_is_told(open_page, index: Index, id: str, monkeypatch) -> None:
    from clipbio.errors import ClipbioError

    def failing(data, texts):
        raise ClipbioError("the model has diverged")

    monkeypatch.setattr(index.encoder, "heat", failing, raising=False)
    page = open_page(f"/specimens/{id}", expected="400")
    page.get_by_label("Where is it?").fill("something that nobody looked for")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("The model has diverged.").wait_for()


def test_places_are_links_without_scripts(open_page, id: str) -> None:
    page = open_page("/?q=violet+flowers", java_script_enabled=False)
    page.get_by_role("link", name="where?").first.click()
    page.wait_for_url("**heat=violet+flowers**")
    assert page.locator(".heat").get_attribute("src").endswith("heat?q=violet%20flowers")
    page.locator("a.trait").nth(2).click()
    page.wait_for_url(lambda url: "heat=violet" not in url)
    assert page.locator("a.trait[aria-current]").count() >= 1
    page.get_by_role("link", name="sheet alone").click()
    page.wait_for_url(lambda url: "heat=" not in url)
    assert page.locator(".heat").count() == 0


def test_verdicts_stand_beside_what_is_written(open_page, id: str) -> None:
    page = open_page(f"/specimens/{id}")
    table = page.get_by_role("table")
    assert table.get_by_role("columnheader", name="On the sheets").is_visible()
    verdicts = set(table.locator(".verdict").all_text_contents())
    assert {"supported", "not visible"} <= verdicts <= {"supported", "contradicted", "not visible"}
    assert "without looking" in table.locator(".verdict.supported").first.get_attribute("title")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_uploaded_picture_is_described(open_page, picture: Path, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.get_by_text("By picture").click()
    page.get_by_label("A picture of a specimen").set_input_files(picture)
    if not scripts:
        page.get_by_role("button", name="Search by this picture").click()
    page.wait_for_url("**vector=**")
    shown = page.get_by_role("region", name="What your picture shows")
    bars = shown.locator("meter")
    assert bars.count() >= 4
    assert 0.3 < float(bars.first.get_attribute("value")) <= 1
    character = shown.get_by_role("rowheader").first.text_content()
    state = shown.locator("tbody a[rel]").first
    name = state.text_content()
    state.click()
    page.wait_for_url("**f.trait=**")
    assert asked(page)["f.trait"] == [f"{character}={name}"]
    assert "vector" in asked(page)


@pytest.mark.parametrize("path", ["/?q=leaves&show=descriptions", "specimen", "upload"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_the_width(open_page, id: str, picture: Path, path: str, scheme: str) -> None:
    path = f"/specimens/{id}?q=leaves&heat=leaves" if path == "specimen" else path
    page = open_page("/" if path == "upload" else path, width=360, color_scheme=scheme)
    if path == "upload":
        page.get_by_text("By picture").click()
        page.get_by_label("A picture of a specimen").set_input_files(picture)
        page.wait_for_url("**vector=**")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for phrase in page.locator(".trait").all()[:8]:
        phrase.focus()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
