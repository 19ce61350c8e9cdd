"""Result tables cut into blocks that fit a page: many metrics stand below each other, not beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import ResultTable, amount, cell, label, span, species_span

__all__ = ["Block", "Cell", "Line", "blocks"]

_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, the interval beside it, and what stands below."""

    text: str = ""
    beside: str = ""
    below: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a block; `kind` is its class in the page."""

    name: str
    cells: tuple[Cell, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Headings of the columns after the first one, and lines."""

    headings: tuple[str, ...]
    lines: tuple[Line, ...]


def blocks(table: ResultTable) -> list[Block]:
    """Return a table as one block if it is narrow.

    Of a wide one, rows with the same metrics make a block of their own, and one that is still wide has its metrics down
    and its variants across.
    """
    if len(table.metrics) <= _COLUMNS:
        return [_upright(table)]
    groups: dict[tuple[str, ...], dict[str, dict[str, Figure]]] = {}
    for variant, row in table.rows.items():
        groups.setdefault(tuple(sorted(row)), {})[variant] = row
    parts = [ResultTable(table.task, table.split, rows) for rows in groups.values()]
    return [_turned(part) if len(part.metrics) > _COLUMNS else _upright(part) for part in parts]


def _upright(table: ResultTable) -> Block:
    """Return variants down and metrics across, with the number of things and a line of chance."""
    metrics = table.metrics
    lines = [
        Line(
            label(variant),
            (
                *(_cell(row.get(name), chance=table.chance(name) is None) for name in metrics),
                Cell(_count(table, variant)),
            ),
            "mean" if variant == "mean" else "",
        )
        for variant, row in table.rows.items()
    ]
    if table.has_chance:
        lines.append(Line("chance", (*(Cell(table.luck(name)) for name in metrics), Cell()), "chance"))
    return Block((*map(label, metrics), "n"), tuple(lines))


def _turned(table: ResultTable) -> Block:
    """Return metrics down and variants across, chance in each cell, the number of things last."""
    rows: Sequence[Mapping[str, Figure]] = list(table.rows.values())
    lines = [Line(label(name), tuple(_cell(row.get(name), chance=True) for row in rows)) for name in table.metrics]
    counts = Line("n", tuple(Cell(_count(table, variant)) for variant in table.rows), "chance")
    return Block(tuple(map(label, table.rows)), (*lines, counts))


def _count(table: ResultTable, variant: str) -> str:
    count = table.n(variant)
    return "" if count is None else f"{count:,}".replace(",", " ")


def _cell(figure: Figure | None, *, chance: bool) -> Cell:
    if figure is None or figure.value is None:
        return Cell()
    below = [f"species {species_span(figure)}"] if figure.low_species is not None else []
    below += [f"chance {amount(figure, figure.chance)}"] if chance and figure.chance is not None else []
    return Cell(cell(figure, interval=False), "" if figure.low is None else span(figure), tuple(below))
