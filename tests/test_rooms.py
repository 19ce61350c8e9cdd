"""Who may import whom: each room knows only those before it, and no module meets itself again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "clipbio"
# Files beside the rooms that know nothing of any of them.
GROUND = {"__version__", "errors", "files", "lazy", "names", "progress", "seeding", "sentences", "templates",
          "tensor_files", "setting_types", "config", "distributed", "features", "studies", "checkpoint_files", "checkpoint_upgrades", "sealed_files", "pulse", "urls"}  # fmt: skip
# The plan of the house (docs/architecture.md): what a room may know besides.
MAY_KNOW = {
    "taxonomy": set(),
    "virtual": set(),
    "dna": set(),
    "traits": {"taxonomy"},
    "text": {"taxonomy", "traits"},
    "data": {"taxonomy", "text", "dna", "virtual"},
    # Towers and losses know no data.
    "models": {"dna"},
    "losses": {"taxonomy"},
    # Evaluation sees vectors, never a model.
    "evaluation": {"taxonomy", "text", "dna", "data"},
    "characters": {"taxonomy", "text", "traits", "virtual", "evaluation"},
    "labels": {"taxonomy", "text", "data", "evaluation"},
    "prediction": {"taxonomy", "text", "labels", "evaluation"},
    "search": {"taxonomy", "traits", "data", "evaluation"},
    "serving": {"taxonomy", "traits", "data", "characters", "search"},
    "checking": {"taxonomy", "dna", "data", "evaluation"},
    "training": {"text", "dna", "data", "models", "losses", "evaluation"},
    "exporting": {"data", "models", "evaluation"},
    "provenance": {"data", "models", "evaluation"},
    "grounding": {"text", "traits", "data", "models", "evaluation"},
    "organs": {"taxonomy", "data", "models", "evaluation"},
}
# What a command does: the rooms that join all others.
JOINING = {"tasks", "cli", "__main__"}


def modules() -> dict[str, Path]:
    """Return each module of the package by its full name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def known() -> frozenset[str]:
    return frozenset(modules())


def named(node: ast.AST) -> Iterator[str]:
    """Give the modules of ours that an import names; `from package import module` names the module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "clipbio")
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "clipbio":
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield full if full in known() or node.module == "clipbio" else str(node.module)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Give what runs when a module is imported: not the bodies of functions, not what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not is_for_types(node) and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def test_rooms_know_only_those_before_them() -> None:
    strangers = []
    for module, path in modules().items():
        own = room(module)
        if own in JOINING | GROUND | {""}:
            continue
        allowed = MAY_KNOW[own] | GROUND | {own}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strangers += [
            f"{module} imports {one}" for node in ast.walk(tree) for one in named(node) if room(one) not in allowed
        ]
    assert strangers == []


def test_the_ground_knows_no_room() -> None:
    strangers = [
        f"{module} imports {one}"
        for module, path in modules().items()
        if room(module) in GROUND
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for one in named(node)
        if room(one) not in GROUND
    ]
    assert strangers == []


def test_every_room_has_its_place_and_every_leave_is_used() -> None:
    rooms = {room(module) for module in modules()} - GROUND - JOINING - {""}
    assert rooms == set(MAY_KNOW)
    used = {name: set[str]() for name in MAY_KNOW}
    for module, path in modules().items():
        if room(module) in used:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            used[room(module)] |= {room(one) for node in ast.walk(tree) for one in named(node)}
    assert {name: leave - used[name] for name, leave in MAY_KNOW.items() if leave - used[name]} == {}


def test_there_are_no_circles() -> None:
    # Raises CycleError, which names the circle.
    TopologicalSorter(MAY_KNOW).prepare()
    graph = {
        module: {one for node in at_import(ast.parse(path.read_text(encoding="utf-8"))) for one in named(node)}
        - {module}
        for module, path in modules().items()
    }
    TopologicalSorter(graph).prepare()


def test_each_room_stands_in_the_plan() -> None:
    plan = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in plan.splitlines() if line.startswith("|"))
    assert [name for name in [*MAY_KNOW, "tasks"] if f"`{name}" not in rows] == []
