"""Tables of the key-query benchmark: pairs of query and key down, ranks across, seen / unseen / harmonic in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import ResultTable, label, percent, span
from clipbio.taxonomy import RANKS

__all__ = ["Cell", "Grid", "deepest_metric", "grids", "is_key_query"]

_COUNTS = ("unlabelled", "keyless", "tied")


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and what stands small beside it."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Grid:
    """A table with a title; each row has a name and one cell per heading."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def is_key_query(table: ResultTable) -> bool:
    """Tell whether a table is of this benchmark, in either protocol."""
    return table.task in ("key_query", "key_query_clibd")


def grids(tables: Sequence[ResultTable]) -> list[Grid]:
    """Return the tables of the report: first answers at every rank, deeper ones at the last rank, and counts."""
    found: list[Grid] = []
    chosen = [table for table in tables if is_key_query(table)]
    for task in dict.fromkeys(table.task for table in chosen):
        by_split = {table.split: table for table in chosen if table.task == task}
        for splits in _groups(list(by_split)):
            group = [by_split[split] for split in splits]
            name = label(task).capitalize().replace("clibd", "(CLIBD's form)")
            # The last of a group is the harmonic mean, which has no counts.
            title = f"{name}: {' / '.join(splits[:-1])} / harmonic mean" if len(splits) > 1 else f"{name}: {splits[0]}"
            found += [_ranks_grid(title, group, kind) for kind in ("macro", "micro")]
            found.append(_depth_grid(title, group))
            found += [_counts_grid(f"{name}: {one.split}", one) for one in group if "+" not in one.split]
    return found


def deepest_metric(table: ResultTable) -> str:
    """Return the metric of the headline: macro accuracy of the first answer at the deepest rank."""
    ranks, depths = _ranks(table), _depths(table)
    return f"{ranks[-1]}/macro@{depths[0]}" if ranks and depths else ""


def _groups(splits: Sequence[str]) -> list[list[str]]:
    """Return splits that belong together: seen, unseen, joined; the others alone."""
    joined = [split for split in splits if "+" in split]
    inside = {part for split in joined for part in split.split("+")}
    return [
        *([*split.split("+"), split] for split in joined),
        *([one] for one in splits if one not in {*joined, *inside}),
    ]


def _names(table: ResultTable) -> list[str]:
    return list(
        dict.fromkeys(name for row in table.rows.values() for name, one in row.items() if one.value is not None)
    )


def _ranks(table: ResultTable) -> list[str]:
    ranks = {name.partition("/")[0] for name in _names(table) if "@" in name}
    return [rank for rank in RANKS if rank in ranks]


def _depths(table: ResultTable) -> list[int]:
    return sorted({int(name.partition("@")[2]) for name in _names(table) if "@" in name})


def _ranks_grid(title: str, group: Sequence[ResultTable], kind: str) -> Grid:
    ranks, depths = _ranks(group[0]), _depths(group[0])[:1]
    metrics = [f"{rank}/{kind}@{depth}" for rank in ranks for depth in depths]
    return Grid(f"{title}, {kind} top-{(depths or [1])[0]}, %", tuple(ranks), _rows(group, metrics))


def _depth_grid(title: str, group: Sequence[ResultTable]) -> Grid:
    rank = (_ranks(group[0]) or [""])[-1]
    metrics = [f"{kind}@{depth}" for kind in ("macro", "micro") for depth in _depths(group[0])]
    headings = tuple(name.replace("@", " top-") for name in metrics)
    return Grid(f"{title}, {rank}, %", headings, _rows(group, [f"{rank}/{name}" for name in metrics]))


def _rows(group: Sequence[ResultTable], metrics: Sequence[str]) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    variants = dict.fromkeys(variant for table in group for variant in table.rows)
    return tuple(
        (
            label(variant),
            tuple(_cell([table.rows.get(variant, {}).get(metric) for table in group]) for metric in metrics),
        )
        for variant in variants
    )


def _cell(figures: Sequence[Figure | None]) -> Cell:
    """Return the values of a group with the interval of the last one."""
    values = " / ".join(percent(None if one is None else one.value) for one in figures)
    last = figures[-1]
    if last is None or last.low is None:
        return Cell(values)
    return Cell(values, span(last))


def _counts_grid(title: str, table: ResultTable) -> Grid:
    rank = (_ranks(table) or [""])[-1]
    rows = []
    for variant, row in table.rows.items():
        without = next((one for name, one in row.items() if name.startswith("without_")), None)
        chosen = [row.get("queries"), without, row.get("keys"), *(row.get(f"{rank}/{name}") for name in _COUNTS)]
        figure = row.get(f"{rank}/macro@{(_depths(table) or [1])[0]}")
        chance = Cell(percent(figure.chance, digits=2) if figure is not None else "–")
        cells = (Cell("" if one is None or one.value is None else f"{one.value:.0f}") for one in chosen)
        rows.append((label(variant), (*cells, chance)))
    headings = ("queries", "left out", "keys", *(f"{rank} {name}" for name in _COUNTS), f"chance, {rank} macro, %")
    return Grid(f"{title}, counts", headings, tuple(rows))
