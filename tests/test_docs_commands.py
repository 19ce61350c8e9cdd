"""Commands in the README and the docs name settings and choices that there are, and links lead to files and headings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clipbio.cli import VERBS
from clipbio.config import check_overrides
from clipbio.tasks.positional import with_keys
from clipbio.tasks.source_overrides import spelled_out

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.M | re.S)
_LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
_CALL = re.compile(r"^[^#]*?(?<![\w.])(train\.py|evaluate\.py|-m clipbio (\w+))\b(.*)")
SCRIPTS = {"train.py": "train", "evaluate.py": "evaluate"}


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return verb and arguments of each command of clipbio in fenced bash blocks."""
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    found = [_CALL.search(line) for line in lines]
    return [(SCRIPTS.get(call[1]) or call[2], _arguments(call[3])) for call in found if call]


def _arguments(words: str) -> list[str]:
    """Return the arguments without flags and without the dots that stand for others."""
    return [word for word in shlex.split(words, comments=True) if word != "..." and not word.startswith("-")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_name_what_there_is(page: Path) -> None:
    for verb, arguments in commands(page.read_text(encoding="utf-8")):
        assert verb in VERBS
        check_overrides(verb, spelled_out(with_keys(verb, arguments)))


def test_commands_are_found_in_all_their_forms() -> None:
    text = "```bash\nsrun python train.py -m seed=0,1 \\\n  loss=sigmoid ... # why\nmake\npython -m clipbio check root=A\n```\n"
    assert commands(text) == [("train", ["seed=0,1", "loss=sigmoid"]), ("check", ["root=A"])]
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 150


def test_links_of_the_readme_lead_somewhere() -> None:
    links = [link for link in _LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")) if "://" not in link]
    assert len(links) > 30
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []
