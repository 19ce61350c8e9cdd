"""Results for the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from clipbio.evaluation.key_query_table import deepest_metric, is_key_query
from clipbio.evaluation.table import ResultTable, amount, cell, label, percent, result_tables, side_by_side

__all__ = ["CONSOLE_WIDTH", "console_table", "table_width"]

_CONSOLE_COLUMNS = 6
_FEWEST = 3
CONSOLE_WIDTH = 80
_CHOSEN = {
    "describe": ("accuracy", "over_majority", "probe_accuracy"),
    "verify": ("auroc", "prior_auroc"),
    "open_set": ("auroc", "fpr95", "balanced"),
    "taxon_consistent": ("top1", "consistent", "right"),
    "hierarchy": ("top1", "text_top1", "distance", "depth"),
    "hierarchy_space": ("spearman", "cophenetic", "kin_purity", "auroc"),
}


def console_table(metrics: Mapping[str, float]) -> Group:
    """Return one table per task for the console: a line per split and variant, in percent.

    To fit a terminal of 80 columns, the 95 % interval stands beside the first figure of a line only; macro means,
    counts, further depths of answers at a rank and what comes after the first metrics are left to the report. Where
    that is still too wide there are fewer columns; names and numbers are never cut. A split that has none of the
    metrics of the others has its own first one, and a variant of which nothing is measured has no line.
    """
    tasks: dict[str, list[ResultTable]] = {}
    for group in side_by_side(result_tables(metrics)):
        tasks.setdefault(group.task, []).append(group)
    return Group(
        *(
            _headline(task, groups) if is_key_query(groups[0]) else _task_table(task, groups)
            for task, groups in tasks.items()
        )
    )


def _headline(task: str, groups: Sequence[ResultTable]) -> Table:
    """Return macro accuracy at the deepest rank: pairs down, splits across, harmonic means last.

    To fit a terminal, intervals stand at the harmonic means alone where there are any, and chance (of the last split)
    where it has room.
    """
    table = _headline_table(task, groups, with_chance=True)
    return table if table_width(table) <= CONSOLE_WIDTH else _headline_table(task, groups, with_chance=False)


def table_width(table: Table) -> int:
    """Return how many columns of a terminal a table takes if nothing in it is cut."""
    console = Console(width=1000)
    return Measurement.get(console, console.options, table).maximum


def _headline_table(task: str, groups: Sequence[ResultTable], *, with_chance: bool) -> Table:
    groups = sorted(groups, key=lambda group: "+" in group.split)
    narrow = any("+" in group.split for group in groups)
    metric = next(filter(None, map(deepest_metric, groups)), "")
    title = f"{label(task).capitalize()}: {metric.replace('/', ' ')}, %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for group in groups:
        table.add_column(escape(group.split), justify="right", no_wrap=True)
    if with_chance:
        table.add_column("chance", justify="right", no_wrap=True)
    for variant in dict.fromkeys(name for group in groups for name in group.rows):
        figures = {group.split: group.rows.get(variant, {}).get(metric) for group in groups}
        cells = [cell(figure, interval=not narrow or "+" in split) for split, figure in figures.items()]
        last = next((figure for figure in reversed(figures.values()) if figure is not None), None)
        if with_chance:
            cells.append("" if last is None or last.chance is None else percent(last.chance))
        table.add_row(escape(label(variant)), *map(escape, cells))
    return table


def _on_console(metric: str) -> bool:
    """Tell whether a metric may stand on the console: of the many at each rank only the first answer."""
    rank, slash, answer = metric.partition("/")
    return not rank.startswith("macro") and (not slash or answer in ("top1", "micro@1"))


def _names(task: str, groups: Sequence[ResultTable]) -> list[str]:
    """Return the metrics that may stand on the console, the most telling first."""
    shown = list(dict.fromkeys(name for group in groups for name in group.quality_metrics))
    chosen = [next((name for name in shown if name.split("/")[-1] == one), "") for one in _CHOSEN.get(task, ())]
    first = [name for name in shown if _on_console(name)][:_CONSOLE_COLUMNS]
    names = [name for name in chosen if name] or first
    lacking = (group.quality_metrics for group in groups if not {*names} & {*group.quality_metrics})
    return list(dict.fromkeys((*(own[0] for own in lacking if own), *names)))


def _task_table(task: str, groups: Sequence[ResultTable]) -> Table:
    """Return the widest table that fits, the narrowest if none does."""
    tables = (
        _table(task, groups, names, interval=interval, last=last)
        for names, interval, last in _layouts(_names(task, groups))
    )
    for table in tables:
        if table_width(table) <= CONSOLE_WIDTH:
            break
    return table


def _layouts(names: list[str]) -> Iterator[tuple[list[str], bool, tuple[str, ...]]]:
    """Yield metrics, whether there is an interval, and the last columns, from wide to narrow."""
    for count in range(max(len(names), _FEWEST), _FEWEST - 1, -1):
        yield names[:count], True, ("chance", "n")
    yield names[:_FEWEST], True, ("chance",)
    yield names[:_FEWEST], True, ()
    for count in range(_FEWEST, 0, -1):
        yield names[:count], False, ()


def _table(
    task: str, groups: Sequence[ResultTable], names: Sequence[str], *, interval: bool, last: Sequence[str]
) -> Table:
    title = f"{label(task).capitalize()}, %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    if not any(figure.chance is not None for group in groups for row in group.rows.values() for figure in row.values()):
        last = [one for one in last if one != "chance"]
    for heading in ("split", ""):
        table.add_column(heading, overflow="fold")
    for name in (*names, *last):
        heading = "permuted" if name.endswith("_permuted") else label(name).replace("recall@", "R@")
        table.add_column(escape(heading), justify="right", no_wrap=True)
    for group in groups:
        table.add_section()
        rows = {variant: row for variant, row in group.rows.items() if group.n(variant) is not None}
        for number, (variant, row) in enumerate(rows.items()):
            figures = [row.get(name) for name in names]
            first = next((figure for figure in figures if figure is not None), None)
            numbers = (cell(figure, interval=interval and figure is first) for figure in figures)
            count = group.n(variant)
            ends = {
                "chance": "" if first is None or first.chance is None else amount(first, first.chance),
                "n": "" if count is None else str(count),
            }
            split = "" if number else group.split
            table.add_row(*map(escape, (split, label(variant), *numbers, *(ends[one] for one in last))))
    return table
