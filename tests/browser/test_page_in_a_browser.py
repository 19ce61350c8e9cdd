"""The search page as people use it: with a mouse, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from clipbio.search.index import Index

pytestmark = pytest.mark.browser


def ids(page) -> list[str]:
    return [name.removeprefix(", specimen ") for name in page.locator("[data-open] .hidden").all_text_contents()]


def asked(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def focused(page) -> str:
    return page.evaluate("document.activeElement.closest('[data-hit]')?.querySelector('.fine').textContent ?? ''")


@pytest.fixture
def picture(index: Index, tmp_path: Path) -> Path:
    """Give a picture of the index as a file; it is that of row 5."""
    path = tmp_path / "sheet.jpg"
    path.write_bytes(index.picture(5) or b"")
    return path


def test_a_query_is_typed_and_narrowed_and_a_hit_opened(open_page, index: Index) -> None:
    page = open_page()
    page.get_by_role("searchbox", name="What does it look like").fill("violet flowers")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/?q=violet+flowers")
    assert page.locator("mark").first.text_content().lower() in (
        "violet",
        "flowers",
        "flowers violet",
        "violet flowers",
    )
    before = ids(page)
    assert len(before) == 20

    family, count = next(facet for facet in index.facets() if facet.column == "family").values[-1]
    page.get_by_role("complementary", name="Filters").get_by_role("link", name=family).click()
    page.wait_for_url(f"**f.family={family}")
    assert page.get_by_role("heading", level=1).text_content() == f"{count} specimens"
    shown = ids(page)
    assert {index.specimen(id).taxon.family for id in shown} == {family}

    page.locator("[data-open]").nth(1).click()
    page.wait_for_url(f"**/specimens/{shown[1]}?**")
    assert page.get_by_role("heading", level=1).text_content() == index.specimen(shown[1]).name
    assert page.locator(".specimen img").evaluate("image => image.complete && image.naturalWidth") == 96
    page.get_by_role("link", name="Results").click()
    page.wait_for_url(f"**f.family={family}")
    page.get_by_role("link", name=f"Family {family}").click()
    page.wait_for_url("**/?q=violet+flowers")
    assert ids(page) == before


def test_a_picture_is_uploaded_and_its_link_lasts(open_page, index: Index, picture: Path) -> None:
    page = open_page("/?q=leaves")
    page.get_by_text("By picture").click()
    page.get_by_label("A picture of a specimen").set_input_files(picture)
    page.wait_for_url("**vector=**")
    assert asked(page)["q"] == ["leaves"]
    assert page.locator("[data-preview]").is_visible()
    page.get_by_label("weight of words").fill("0.05")
    page.get_by_label("weight of words").press("Enter")
    page.wait_for_url("**weight_text=0.05**")
    found = ids(page)
    assert index.specimen(found[0]).row == 5

    other = open_page(page.url)
    assert ids(other) == found
    assert not other.locator("[data-preview]").is_visible()
    other.get_by_label("Remove the picture").click()
    other.wait_for_url(lambda url: "vector" not in url)


def test_a_picture_is_dropped(open_page, index: Index, picture: Path) -> None:
    page = open_page()
    drop = """async (bytes) => {
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(bytes)], "sheet.jpg", { type: "image/jpeg" }));
        document.querySelector("main").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, list(picture.read_bytes()))
    page.wait_for_url("**vector=**")
    assert index.specimen(ids(page)[0]).row == 5


def test_what_is_no_picture_is_refused_where_one_stands(open_page, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = open_page("/?q=leaves", expected="415")
    page.get_by_text("By picture").click()
    page.get_by_label("A picture of a specimen").set_input_files(drawing)
    page.get_by_text("the upload is no picture").wait_for()
    assert page.url.endswith("/?q=leaves")


def test_a_permalink_shows_the_same_to_everybody(open_page) -> None:
    link = "/?q=leaves+alternate&f.leaf_margin=serrate&f.leaf_margin=entire&engine=lexical&show=species&page=1"
    one, other = open_page(link), open_page(link, width=700, color_scheme="dark")
    names = one.locator("[data-open]").all_text_contents()
    assert names
    assert other.locator("[data-open]").all_text_contents() == names
    assert one.get_by_label("Rank by").input_value() == "lexical"
    assert one.get_by_role("link", name="Species", exact=True).get_attribute("aria-current") == "true"


def test_another_way_of_ranking_is_taken_at_once_where_there_are_results(open_page) -> None:
    page = open_page()
    page.get_by_label("Rank by").select_option("lexical")
    assert urlsplit(page.url).query == ""
    page.get_by_role("searchbox", name="What does it look like").fill("leaves")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=leaves&engine=lexical")
    page.get_by_label("Rank by").select_option("vector")
    page.wait_for_url("**/?q=leaves&engine=vector")


def test_the_keyboard_is_enough(open_page) -> None:
    page = open_page("/?q=leaves")
    found = ids(page)
    page.keyboard.press("j")
    assert found[0] in focused(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("j")
    assert found[2] in focused(page)
    page.keyboard.press("k")
    assert found[1] in focused(page)
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('[data-gallery]')).gridTemplateColumns.split(' ').length"
    )
    page.keyboard.press("ArrowDown")
    assert found[1 + columns] in focused(page)
    page.keyboard.press("ArrowUp")
    assert found[1] in focused(page)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/specimens/{found[1]}?q=leaves")
    page.keyboard.press("Escape")
    page.wait_for_url("**/?q=leaves")
    page.wait_for_function("document.activeElement.matches('[data-open]')")
    assert found[1] in focused(page)
    page.keyboard.press("/")
    page.keyboard.type("violet")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=violet")


def test_a_panel_opens_over_the_results_and_closes(open_page) -> None:
    page = open_page("/?q=leaves")
    place = page.locator("[data-gallery]").bounding_box()
    page.get_by_text("By barcode").press("Enter")
    page.get_by_label("DNA barcode").fill("ACGTACGT")
    assert page.locator("[data-gallery]").bounding_box() == place
    page.keyboard.press("Escape")
    assert not page.get_by_label("DNA barcode").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "By barcode"


def test_the_first_stop_of_the_tab_key_leads_past_the_head(open_page) -> None:
    page = open_page("/?q=leaves")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "found"


@pytest.mark.parametrize(
    "path", ["/", "/?q=leaves", "/?q=leaves&show=descriptions", "/?q=a&f.family=Nowhere", "specimen"]
)
def test_a_phone_shows_all_of_the_width(open_page, index: Index, path: str) -> None:
    path = f"/specimens/{index.folder.rows.ids[5]}?q=leaves" if path == "specimen" else path
    page = open_page(path, width=360, expected="400")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("By picture", "By barcode", "Help"):
        page.get_by_text(name, exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        # The one before closed by itself.
        assert page.locator("[data-panel][open]").count() == 1


def test_filters_open_over_the_results_of_a_phone(open_page) -> None:
    page = open_page("/?q=leaves", width=360)
    filters = page.get_by_role("complementary", name="Filters")
    assert not filters.is_visible()
    page.get_by_role("link", name="Filters").click()
    assert filters.is_visible()
    page.keyboard.press("Escape")
    assert not filters.is_visible()
    page.get_by_role("link", name="Filters").click()
    family = filters.locator("[data-facet=family] li a").first
    family.click()
    page.wait_for_url("**f.family=**")
    assert not filters.is_visible()
    assert page.get_by_role("link", name=re.compile("remove this filter")).is_visible()


def test_a_long_filter_is_searched_as_one_types(open_page, index: Index) -> None:
    page = open_page("/?q=leaves")
    facet = page.locator("[data-facet=species]")
    facet.locator("summary").first.click()
    name = index.specimen(ids(page)[0]).name
    facet.get_by_role("searchbox").fill(name[:-2].upper())
    facet.get_by_role("link", name=name).wait_for()
    facet.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**f.species=**")
    assert asked(page)["f.species"] == [name]


def test_everything_works_without_scripts(open_page, index: Index, picture: Path) -> None:
    page = open_page(java_script_enabled=False)
    page.get_by_role("searchbox", name="What does it look like").fill("leaves")
    page.get_by_label("Rank by").select_option("lexical")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/?q=leaves&engine=lexical")
    page.get_by_role("link", name="Species", exact=True).click()
    page.wait_for_url("**show=species")
    page.locator("[data-facet=family] li a").first.click()
    page.wait_for_url("**f.family=**")
    assert page.locator("[data-open]").count() > 0
    page.get_by_text("By picture").click()
    page.get_by_label("A picture of a specimen").set_input_files(picture)
    page.get_by_role("button", name="Search by this picture").click()
    page.wait_for_url("**vector=**")
    assert set(asked(page)) == {"q", "vector", "f.family", "engine", "show"}


def test_dark_and_light_are_those_of_the_reader(open_page) -> None:
    shades = [
        page.evaluate("getComputedStyle(document.body).backgroundColor")
        for page in (open_page(color_scheme="light"), open_page(color_scheme="dark"))
    ]
    light, dark = (sum(map(int, re.findall(r"\d+", shade)[:3])) for shade in shades)
    assert dark < 150 < 600 < light
