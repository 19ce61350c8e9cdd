"""The table of a sweep: for the console, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clipbio.evaluation.console import CONSOLE_WIDTH, table_width
from clipbio.evaluation.matrix import matrix_sections
from clipbio.evaluation.sweep import Point, Sweep, shown_value
from clipbio.evaluation.table import amount, cell, escape_markdown
from clipbio.files import write_json, write_text

__all__ = ["sweep_table", "write_sweep_tables"]

_NUMBERS = ("value", "low", "high", "n", "chance")


def sweep_table(sweep: Sweep) -> Group:
    """Return the table for a console of 80 columns: with fewer intervals, then fewer figures, where it is too wide."""
    table = _console(sweep, len(sweep.keys), len(sweep.keys))
    for figures, intervals in _layouts(len(sweep.keys)):
        table = _console(sweep, figures, intervals)
        if table_width(table) <= CONSOLE_WIDTH:
            break
    return Group(table, Text(_note(sweep), style="dim"))


def _layouts(count: int) -> Iterator[tuple[int, int]]:
    """Yield how many figures are shown, and how many of them with their interval."""
    yield from ((count, intervals) for intervals in (count, 1, 0))
    yield from ((figures, min(figures, 1)) for figures in range(count - 1, 0, -1))


def _console(sweep: Sweep, figures: int, intervals: int) -> Table:
    heads = sweep.heads()[1]
    table = Table(title=escape(_title(sweep)), title_justify="left", box=SIMPLE_HEAD, pad_edge=False,
                  collapse_padding=True)  # fmt: skip
    table.add_column("", justify="right", no_wrap=True)
    for key in sweep.axes:
        table.add_column(escape(_axis(key)), max_width=24, overflow="fold")
    for head in heads[:figures]:
        table.add_column(escape(head), justify="right", no_wrap=True)
    table.add_column("state", max_width=26, overflow="fold")
    for place, point in enumerate(sweep.points, 1):
        cells = [str(place), *(shown_value(point.varied.get(key, "")) for key in sweep.axes)]
        cells += [_cell(sweep, point, key, interval=at < intervals) for at, key in enumerate(sweep.keys[:figures])]
        style = "bold" if point is sweep.best else ""
        table.add_row(*(Text(one, style=style) for one in (*cells, _state(sweep, point))))
    return table


def _title(sweep: Sweep) -> str:
    common = sweep.heads()[0]
    return f"{common}, %" if common and sweep.in_percent and len(sweep.drawn) == len(sweep.keys) else common


def _axis(key: str) -> str:
    """Return the heading of what was varied; a mixture needs none but the word."""
    return "mixture" if key.rpartition(".")[2] == "weights" else key


def _cell(sweep: Sweep, point: Point, key: str, *, interval: bool) -> str:
    figure = sweep.figure(point, key)
    if figure is None:
        return ""
    return cell(figure, interval=interval) if key in point.figures else amount(figure, figure.value)


def _state(sweep: Sweep, point: Point) -> str:
    state = "best" if point is sweep.best else point.state
    return f"{state}: {point.remark}" if point.remark else state


def _note(sweep: Sweep) -> str:
    order = "the least" if sweep.lower else "the most"
    return (
        f"Ordered by {sweep.objective}, {order} first: validation alone chooses. In brackets the 95 % interval. "
        "A point that is not finished has its best validation so far."
    )


def write_sweep_tables(folder: Path, sweep: Sweep, *, title: str, picture: str) -> Path:
    """Write `sweep.md` (with the plot, and texts trained on against texts tested), `sweep.csv` and `sweep.json`.

    Args:
        folder: Where they are written.
        sweep: The points.
        title: The heading.
        picture: File of the plot beside it; empty for none.

    Returns:
        The path of `sweep.md`.
    """
    rows = [_line(sweep, place, point) for place, point in enumerate(sweep.points, 1)]
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "sweep.csv", buffer.getvalue())
    write_json(folder / "sweep.json", {
        "objective": sweep.objective,
        "mode": "min" if sweep.lower else "max",
        "best": None if sweep.best is None else sweep.best.name,
        "points": [_object(place, point) for place, point in enumerate(sweep.points, 1)],
    })  # fmt: skip
    page = folder / "sweep.md"
    write_text(page, _markdown(sweep, title, picture))
    return page


def _markdown(sweep: Sweep, title: str, picture: str) -> str:
    common, heads = _title(sweep), sweep.heads()[1]
    names = ["", *map(_axis, sweep.axes), *heads, "state", "run"]
    lines = [f"# {escape_markdown(title)}", "", *([f"{common}.", ""] if common else [])]
    lines += ["| " + " | ".join(map(escape_markdown, names)) + " |"]
    lines += ["|---:" + "|---" * len(sweep.axes) + "|---:" * len(heads) + "|---|---|"]
    for place, point in enumerate(sweep.points, 1):
        cells = [*(shown_value(point.varied.get(key, "")) for key in sweep.axes)]
        cells += [*(_cell(sweep, point, key, interval=True) for key in sweep.keys), _state(sweep, point)]
        shown = [escape_markdown(one) for one in cells]
        if point is sweep.best:
            shown = [f"**{one}**" if one else "" for one in shown]
        lines.append(f"| {place} | " + " | ".join([*shown, f"`{point.name}`"]) + " |")
    lines += ["", _note(sweep), ""]
    if picture:
        lines += [f"![The points of the sweep]({picture})", ""]
    return "\n".join([*lines, *_texts(sweep)])


def _texts(sweep: Sweep) -> list[str]:
    """Return how each point does on each text type, where there are several; repeats under other seeds are averaged."""
    runs = [
        (point.says([key for key in point.varied if key.rpartition(".")[2] == "seed"]), point.figures)
        for point in sweep.points
        if point.finished
    ]
    text = matrix_sections(runs)
    return ["## By the text that names the classes", "", text] if text else []


def _line(sweep: Sweep, place: int, point: Point) -> dict[str, Any]:
    line: dict[str, Any] = {"place": place, "run": point.name, "state": point.state, "remark": point.remark}
    for key in sweep.axes:
        value = point.varied.get(key)
        line |= (
            {f"{key}.{name}": share for name, share in value.items()} if isinstance(value, Mapping) else {key: value}
        )
    line["best validation"] = point.value
    for key in _all_keys(sweep):
        figure = point.figures.get(key)
        line |= {key if name == "value" else f"{key}/{name}": getattr(figure, name, None) for name in _NUMBERS}
    return line


def _object(place: int, point: Point) -> dict[str, Any]:
    figures = {key: {name: getattr(figure, name) for name in _NUMBERS} for key, figure in point.figures.items()}
    return {"place": place, "run": point.name, "state": point.state, "remark": point.remark, "varied": point.varied,
            "best_validation": point.value, "figures": figures}  # fmt: skip


def _all_keys(sweep: Sweep) -> list[str]:
    """Return the figures shown, then the same metric of each text type."""
    shown = [key.split("/", 3) for key in sweep.keys if key.count("/") >= 3]
    alike = {(one[0], one[1], one[3]) for one in shown}
    others = sorted({
        key
        for point in sweep.points
        for key, figure in point.figures.items()
        if (figure.task, figure.split, figure.metric) in alike and not figure.variant.endswith("_permuted")
    })  # fmt: skip
    return list(dict.fromkeys((*sweep.keys, *others)))
