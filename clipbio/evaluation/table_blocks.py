"""Result tables cut into blocks that fit a page: many metrics stand below each other, not beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import ResultTable, amount, cell, label, span, species_span

__all__ = ["Block", "Cell", "Line", "blocks"]

_WIDEST = 5


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

    Of a wide one, rows with common metrics stand together as long as that is narrow. One row that is wide by itself has
    its metrics down and value, intervals and chance across, several have their metrics down and the variants across.
    """
    if _width(table) <= _WIDEST:
        return [_upright(table)]
    parts: list[ResultTable] = []
    for variant, row in table.rows.items():
        for part in parts:
            joined = ResultTable(table.task, table.split, {**part.rows, variant: row})
            common = {*part.metrics} & {*row}
            if common and (_width(joined) <= _WIDEST or {*part.metrics} == {*row}):
                part.rows = joined.rows
                break
        else:
            parts.append(ResultTable(table.task, table.split, {variant: row}))
    return [_block(part) for part in parts]


def _width(table: ResultTable) -> float:
    """Return how many columns with intervals a table takes; a plain count takes half of one."""
    measured = len(table.quality_metrics)
    return measured + 0.5 * (len(table.metrics) - measured)


def _block(table: ResultTable) -> Block:
    if _width(table) <= _WIDEST:
        return _upright(table)
    return _turned(table) if len(table.rows) > 1 else _listed(table)


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


def _listed(table: ResultTable) -> Block:
    """Return the metrics of the only variant, a line each."""
    ((variant, row),) = table.rows.items()
    lines = []
    for name in table.metrics:
        figure = row[name]
        chance = "" if figure.chance is None else amount(figure, figure.chance)
        parts = (cell(figure, interval=False), "" if figure.low is None else span(figure), species_span(figure), chance)
        count = "" if figure.n is None else f"{figure.n:,}".replace(",", " ")
        lines.append(Line(label(name), tuple(map(Cell, (*parts, count)))))
    return Block((label(variant), "95 %", "over species", "chance", "n"), tuple(lines))


def _count(table: ResultTable, variant: str) -> str:
    count = table.n(variant)
    return "" if count is None else f"{count:,}".replace(",", " ")


def _cell(figure: Figure | None, *, chance: bool) -> Cell:
    if figure is None or figure.value is None:
        return Cell()
    below = [f"species {species_span(figure)}"] if figure.low_species is not None else []
    below += [f"chance {amount(figure, figure.chance)}"] if chance and figure.chance is not None else []
    return Cell(cell(figure, interval=False), "" if figure.low is None else span(figure), tuple(below))
