"""The site is built strictly, fetches nothing from elsewhere, and tells every public name and every config."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `--strict` makes every warning an error: broken links, pages outside the navigation."""
    pytest.importorskip("mkdocs", reason="the site needs pip install 'clipbio[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert told.returncode == 0, told.stdout + told.stderr
    return folder


class Fetched(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video"):
            self.addresses.append(values.get("src") or "")
        if tag == "link" and values.get("rel") != "canonical":
            self.addresses.append(values.get("href") or "")


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        assert [address for address in fetched.addresses if "//" in address] == [], page
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")) == [], style


def test_every_exported_name_is_told(site: Path) -> None:
    names = documented(site)
    rooms = list(ROOT.glob("clipbio/*/__init__.py"))
    rooms += list(ROOT.glob("clipbio/data/*/__init__.py"))
    exported = {name for room in rooms for name in exported_names(room)}
    assert len(exported) > 150
    assert sorted(exported - names) == [], "they stand on no page of docs/api"


def documented(site: Path) -> set[str]:
    """Read the inventory of objects in Sphinx's format: four lines of text, the rest compressed."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}


def exported_names(init: Path) -> list[str]:
    """Return the names in `__all__`; of a function that a module of its name hides, the name in that module."""
    room = ".".join(init.parent.relative_to(ROOT).parts)
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            hidden = {name for name in names if (init.parent / f"{name}.py").exists()}
            return [f"{room}.{name}.{name}" if name in hidden else f"{room}.{name}" for name in names]
    return []


def test_every_config_is_told(site: Path) -> None:
    for path in (ROOT / "conf").rglob("*.yaml"):
        group = path.parent.relative_to(ROOT / "conf").as_posix().replace("/", "-")
        page = site / "configuration" / f"{'commands' if group == '.' else group}.html"
        assert f'id="{path.stem}"' in page.read_text(encoding="utf-8"), path
    assert "nearest valid" in (site / "configuration.html").read_text(encoding="utf-8")


def test_messages_on_the_page_of_troubles_are_those_of_the_code() -> None:
    said = " ".join(
        node.value
        for path in (ROOT / "clipbio").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert len(rows) > 15
    assert [row for row in rows if row not in said] == []
