"""Result tables: for the console and for the report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from clipbio.evaluation.figures import Figure, parse
from clipbio.taxonomy import RANKS

__all__ = ["ResultTable", "cell", "console_table", "escape_markdown", "label", "percent", "result_tables"]

_LABELS = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_top1": "macro top-1",
    "mean": "mean",
    "text_to_image": "text to image",
    "image_to_text": "image to text",
    "auroc": "AUROC",
    "fpr95": "FPR95",
    "oscr": "OSCR",
}
_CONSOLE_COLUMNS = 6


@dataclass
class ResultTable:
    """The figures of one task and split: one row per variant, one column per metric."""

    task: str
    split: str
    rows: dict[str, dict[str, Figure]] = field(default_factory=dict)

    @property
    def quality_metrics(self) -> list[str]:
        """Return the metrics that are measured, not counted, in order."""
        return list(dict.fromkeys(name for row in self.rows.values() for name in row if row[name].n is not None))

    @property
    def metrics(self) -> list[str]:
        """Return all metrics, those that are measured first, then plain counts."""
        return list(dict.fromkeys((*self.quality_metrics, *(name for row in self.rows.values() for name in row))))

    def chance(self, metric: str) -> float | None:
        """Return the chance of a metric if it is the same in all rows."""
        found = {row[metric].chance for row in self.rows.values() if metric in row}
        return found.pop() if len(found) == 1 else None

    def n(self, variant: str) -> int | None:
        """Return the number of things that the first metric of a row averages over."""
        return next((figure.n for figure in self.rows[variant].values() if figure.n is not None), None)


def label(name: str) -> str:
    """Return the name of a variant or metric as a reader says it."""
    if name.endswith("_permuted"):
        return f"{label(name.removesuffix('_permuted'))}, texts permuted"
    return _LABELS.get(name, re.sub(r"\bdna\b", "DNA", name.replace("_", " ")))


def percent(value: float | None, *, digits: int = 1) -> str:
    """Return a share as percent without the sign, a dash if unknown."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def escape_markdown(text: object) -> str:
    """Return text that Markdown (and HTML inside of it) shows as it is, on one line."""
    safe = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$!])", r"\\\1", safe)


def result_tables(metrics: Mapping[str, float]) -> list[ResultTable]:
    """Group flat numbers into one table per task and split, in a fixed order, `mean` last, controls as columns."""
    tables: dict[tuple[str, str], ResultTable] = {}
    for figure in parse(metrics):
        table = tables.setdefault((figure.task, figure.split), ResultTable(figure.task, figure.split))
        table.rows.setdefault(figure.variant, {})[figure.metric] = figure
    for table in tables.values():
        _fold_controls(table)
        table.rows = dict(sorted(table.rows.items(), key=lambda row: row[0] == "mean"))
        table.rows = {variant: _ordered(row) for variant, row in table.rows.items()}
    return [tables[key] for key in sorted(tables)]


def _fold_controls(table: ResultTable) -> None:
    """Move the control of a variant from a row of its own to a column beside the figure it controls."""
    for variant in [name for name in table.rows if name.removesuffix("_permuted") in table.rows]:
        if variant.endswith("_permuted"):
            control = table.rows.pop(variant)
            measured = {f"{metric}_permuted": figure for metric, figure in control.items() if figure.n is not None}
            table.rows[variant.removesuffix("_permuted")] |= measured


def _ordered(row: dict[str, Figure]) -> dict[str, Figure]:
    """Sort metrics by name with numbers as numbers: metrics.json is sorted, `recall@10` must not precede `recall@5`."""
    first = ["top1", "top5", "macro_top1", "top1_permuted", "auroc", "fpr95", "oscr", "balanced"]

    def order(metric: str) -> tuple[object, ...]:
        stem, _, depth = metric.partition("@")
        rank, slash, _ = metric.partition("/")
        # Deep ranks are what most readers look for.
        place = -RANKS.index(rank) if slash and rank in RANKS else 1
        where = first.index(metric) if metric in first else len(first)
        return (where, stem != "recall", place, "macro" in stem, stem, int(depth or 0))

    return {metric: row[metric] for metric in sorted(row, key=order)}


def cell(figure: Figure | None, *, interval: bool = True) -> str:
    """Return a figure in one line: percent with its interval, or a plain count."""
    if figure is None or figure.value is None:
        return ""
    if figure.n is None:
        return f"{figure.value:g}"
    if not interval or figure.low is None:
        return percent(figure.value)
    return f"{percent(figure.value)} ({percent(figure.low)}–{percent(figure.high)})"


def console_table(metrics: Mapping[str, float]) -> Group:
    """Return one table per task for the console: a line per split and variant, in percent.

    To fit a terminal, the 95 % interval stands beside the first metric only; macro means, counts, further depths of
    answers at a rank and what comes after the first metrics are left to the report.
    """
    tasks: dict[str, list[ResultTable]] = {}
    for group in result_tables(metrics):
        tasks.setdefault(group.task, []).append(group)
    return Group(*(_task_table(task, groups) for task, groups in tasks.items()))


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
