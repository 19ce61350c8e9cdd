"""Results for the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from clipbio.evaluation.key_query_table import deepest_metric, is_key_query
from clipbio.evaluation.table import ResultTable, cell, label, percent, result_tables

__all__ = ["console_table"]

_CONSOLE_COLUMNS = 6


def console_table(metrics: Mapping[str, float]) -> Group:
    """Return one table per task for the console: a line per split and variant, in percent.

    To fit a terminal, the 95 % interval stands beside the first metric only; macro means, counts, further depths of
    answers at a rank and what comes after the first metrics are left to the report.
    """
    tasks: dict[str, list[ResultTable]] = {}
    for group in result_tables(metrics):
        tasks.setdefault(group.task, []).append(group)
    return Group(
        *(
            _headline(task, groups) if is_key_query(groups[0]) else _task_table(task, groups)
            for task, groups in tasks.items()
        )
    )


def _headline(task: str, groups: Sequence[ResultTable]) -> Table:
    """Return macro accuracy at the deepest rank: pairs down, splits across, harmonic means last.

    Intervals stand at the harmonic means alone where there are any, to fit a terminal.
    """
    groups = sorted(groups, key=lambda group: "+" in group.split)
    narrow = any("+" in group.split for group in groups)
    metric = next(filter(None, map(deepest_metric, groups)), "")
    title = f"{label(task).capitalize()}: {metric.replace('/', ' ')}, %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for group in groups:
        table.add_column(escape(group.split), justify="right", no_wrap=True)
    for variant in dict.fromkeys(name for group in groups for name in group.rows):
        figures = {group.split: group.rows.get(variant, {}).get(metric) for group in groups}
        cells = (cell(figure, interval=not narrow or "+" in split) for split, figure in figures.items())
        table.add_row(escape(label(variant)), *map(escape, cells))
    return table


def _on_console(metric: str) -> bool:
    """Tell whether a metric may stand on the console: of the many at each rank only the first answer."""
    rank, slash, answer = metric.partition("/")
    return not rank.startswith("macro") and (not slash or answer in ("top1", "micro@1"))


def _task_table(task: str, groups: Sequence[ResultTable]) -> Table:
    shown = dict.fromkeys(name for group in groups for name in group.quality_metrics)
    names = [name for name in shown if _on_console(name)][:_CONSOLE_COLUMNS] or list(shown)
    title = f"{label(task).capitalize()}, %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("split", ""):
        table.add_column(heading, no_wrap=True)
    for name in (*names, "chance", "n"):
        heading = "permuted" if name.endswith("_permuted") else label(name).replace("recall@", "R@")
        table.add_column(escape(heading), justify="right", no_wrap=True)
    for group in groups:
        table.add_section()
        for number, (variant, row) in enumerate(group.rows.items()):
            first, *others = (row.get(name) for name in names) if names else [None]
            numbers = (cell(first), *(cell(figure, interval=False) for figure in others))
            chance = "" if first is None or first.chance is None else percent(first.chance)
            count = group.n(variant)
            split = "" if number else group.split
            table.add_row(*map(escape, (split, label(variant), *numbers, chance, "" if count is None else str(count))))
    return table
