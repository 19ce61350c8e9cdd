"""Python in the docs imports what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_CODE = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def names_of(module: str) -> set[str]:
    """Return the names that a module defines or imports, without importing it: that may take a minute."""
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text())
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {one.stem for one in path.glob("*.py")} | {one.name for one in path.glob("*/")}
    return names | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def typed(code: str) -> str:
    """Return what is typed, of a block that may show a prompt and answers."""
    lines = code.splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... "))) if ">>> " in code else code


def imports(page: Path) -> list[tuple[str, str]]:
    nodes = [node for code in _CODE.findall(page.read_text()) for node in ast.walk(ast.parse(typed(code)))]
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clipbio")]
    return [(node.module or "", alias.name) for node in found for alias in node.names]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_docs_import_is_there(page: Path) -> None:
    assert [f"{module}.{name}" for module, name in imports(page) if name not in names_of(module)] == []


def test_some_pages_import_something() -> None:
    assert sum(len(imports(page)) for page in PAGES) > 5
