"""Result tables: the flat numbers of a run grouped for the console and the report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clipbio.evaluation.figures import Figure, parse
from clipbio.evaluation.protocols import PROTOCOLS
from clipbio.taxonomy import RANKS

__all__ = [
    "ResultTable",
    "amount",
    "cell",
    "escape_markdown",
    "is_share",
    "label",
    "percent",
    "result_tables",
    "side_by_side",
    "span",
    "species_span",
]

_LABELS = {
    "top1": "top-1",
    "top3": "top-3",
    "top5": "top-5",
    "macro_top1": "macro top-1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "mean": "mean",
    "text_to_image": "text to image",
    "image_to_text": "image to text",
    "auroc": "AUROC",
    "knn": "kNN",
    "fpr95": "FPR95",
    "oscr": "OSCR",
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "ece_before": "ECE before",
    "prior_auroc": "AUROC of frequency",
    "brier": "Brier",
    "nll": "NLL",
    "mantel_p": "p (Mantel)",
}
# Numbers that are not shares, beside losses; depths and distances are counted in ranks.
_NOT_SHARES = ("brier", "depth", "distance", "distance_wrong", "fisher", "nll", "spearman", "kendall", "cophenetic",
               "silhouette")  # fmt: skip


_AS = ", as "
# Tasks whose metrics are told part by part.
_BY_PART = ("grounding",)


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

    def luck(self, metric: str) -> str:
        """Return the chance of a metric as it is shown, empty where rows differ."""
        figure = next((row[metric] for row in self.rows.values() if metric in row), None)
        value = self.chance(metric)
        return "" if figure is None or value is None else amount(figure, value)

    @property
    def has_chance(self) -> bool:
        """Tell whether the chance of any metric is the same in all rows."""
        return any(self.chance(metric) is not None for metric in self.metrics)

    def n(self, variant: str) -> int | None:
        """Return the number of things that the first metric of a row averages over."""
        return next((figure.n for figure in self.rows[variant].values() if figure.n is not None), None)


def label(name: str) -> str:
    """Return the name of a variant or metric as a reader says it."""
    if name.endswith("_permuted"):
        return f"{label(name.removesuffix('_permuted'))}, texts permuted"
    if "/" in name:
        return " ".join(map(label, name.split("/")))
    return _LABELS.get(name, re.sub(r"\bdna\b", "DNA", name.replace("_minus_", " − ").replace("_", " ")))


def percent(value: float | None, *, digits: int = 1) -> str:
    """Return a share as percent without the sign, a dash if unknown."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def span(figure: Figure) -> str:
    """Return the interval of a figure, below zero without a dash, which would look like a minus."""
    return _range(figure, figure.low, figure.high)


def species_span(figure: Figure) -> str:
    """Return the interval over redrawn species; empty where there is none."""
    return "" if figure.low_species is None else _range(figure, figure.low_species, figure.high_species)


def _range(figure: Figure, low: float | None, high: float | None) -> str:
    dash = " to " if low is not None and low < 0 else "–"
    return f"{amount(figure, low)}{dash}{amount(figure, high)}"


def is_share(figure: Figure) -> bool:
    """Tell whether a figure is shown in percent."""
    metric = figure.metric
    return metric not in _NOT_SHARES and not metric.startswith("within_") and not metric.endswith("loss")


def amount(figure: Figure, value: float | None) -> str:
    """Return a value of a figure as percent, or as it is where it is no share."""
    if not is_share(figure):
        return "–" if value is None else f"{value:.2f}"
    return percent(value)


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
        if table.task in _BY_PART:
            table.rows = _by_part(table.rows)
        table.rows = dict(sorted(table.rows.items(), key=lambda row: (_place(row[0]), _natural(row[0]))))
        table.rows = {variant: _ordered(row) for variant, row in table.rows.items()}
    return [tables[key] for key in sorted(tables)]


def _place(variant: str) -> int:
    """Return where a row stands: ranks from the species up, then others by name, then the mean."""
    return RANKS[::-1].index(variant) if variant in RANKS else len(RANKS) + (variant == "mean")


def side_by_side(tables: Sequence[ResultTable]) -> list[ResultTable]:
    """Put the published forms of a task into the table of our own form: a row `VARIANT, as PROTOCOL` below each."""
    found = {(table.task, table.split): table for table in tables}
    for table in tables:
        protocol = next((one for one in PROTOCOLS if table.task.endswith(f"_{one}")), "")
        own = found.get((table.task.removesuffix(f"_{protocol}"), table.split))
        if protocol and own is not None and own is not table:
            del found[table.task, table.split]
            rows: dict[str, dict[str, dict[str, Figure]]] = {}
            for name, row in (
                *own.rows.items(),
                *((f"{name}{_AS}{protocol}", row) for name, row in table.rows.items()),
            ):
                rows.setdefault(name.split(_AS)[0], {})[name] = row
            ordered = sorted(rows.items(), key=lambda group: group[0] == "mean")
            joined = {name: row for _, group in ordered for name, row in group.items()}
            found[own.task, own.split] = ResultTable(own.task, own.split, joined)
    return list(found.values())


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Return a key by which `k5` stands before `k20`."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def _fold_controls(table: ResultTable) -> None:
    """Move the control of a variant from a row of its own to a column beside the figure it controls."""
    for variant in [name for name in table.rows if name.removesuffix("_permuted") in table.rows]:
        if variant.endswith("_permuted"):
            control = table.rows.pop(variant)
            measured = {f"{metric}_permuted": figure for metric, figure in control.items() if figure.n is not None}
            table.rows[variant.removesuffix("_permuted")] |= measured


def _by_part(rows: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, Figure]]:
    """Return a row for each method and part, where metrics are `PART/MEASURE`."""
    found: dict[str, dict[str, Figure]] = {}
    for variant, row in rows.items():
        for metric, figure in row.items():
            part, _, measure = metric.partition("/")
            found.setdefault(f"{variant}/{part}", {})[measure] = figure
    return found


def _ordered(row: dict[str, Figure]) -> dict[str, Figure]:
    """Sort metrics by name with numbers as numbers: metrics.json is sorted, `recall@10` must not precede `recall@5`."""
    first = [
        "top1",
        "top3",
        "top5",
        "macro_top1",
        "top1_permuted",
        "auroc",
        "fpr95",
        "oscr",
        "balanced",
        "pointing",
        "soft_iou",
    ]

    def order(metric: str) -> tuple[object, ...]:
        stem, _, depth = metric.partition("@")
        rank, slash, _ = metric.partition("/")
        # Deep ranks are what most readers look for.
        place = -RANKS.index(rank) if slash and rank in RANKS else 1
        where = first.index(metric) if metric in first else len(first)
        return (where, stem != "recall", place, "macro" in stem, stem, int(depth or 0))

    return {metric: row[metric] for metric in sorted(row, key=order)}


def cell(figure: Figure | None, *, interval: bool = True, over_species: bool = False) -> str:
    """Return a figure in one line: percent with its interval, if asked for both intervals, or a plain count."""
    if figure is None or figure.value is None:
        return ""
    if figure.n is None:
        return f"{figure.value:.0f}" if float(figure.value).is_integer() else f"{figure.value:.3g}"
    if not interval or figure.low is None:
        return amount(figure, figure.value)
    species = f"; species {species_span(figure)}" if over_species and figure.low_species is not None else ""
    return f"{amount(figure, figure.value)} ({span(figure)}{species})"
