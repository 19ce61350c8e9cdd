"""The matrix of several runs: trained on one thing (rows), tested with each text type (columns)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import escape_markdown, label, percent

__all__ = ["matrix_sections"]

Grid = Mapping[tuple[str, str, str], list[Figure]]


def matrix_sections(
    runs: Iterable[tuple[str, Mapping[str, Figure]]], *, task: str = "zero_shot", metric: str = "top1"
) -> str:
    """Return how each run (named by what it was trained on) does on each text type, as a Markdown table per split.

    Runs of the same name are repeats: their mean is written, with the standard deviation over them. The bounds of the
    interval are then the means of the bounds of the runs. Splits with a single text type are left out.
    """
    grid: dict[tuple[str, str, str], list[Figure]] = {}
    for name, figures in runs:
        for figure in figures.values():
            wanted = figure.task == task and figure.metric == metric and figure.value is not None
            if wanted and not figure.variant.endswith("_permuted"):
                grid.setdefault((figure.split, name, figure.variant), []).append(figure)
    variants: dict[str, set[str]] = {}
    for split, _, variant in grid:
        variants.setdefault(split, set()).add(variant)
    return "\n".join(_section(split, grid, metric) for split in sorted(variants) if len(variants[split] - {"mean"}) > 1)


def _average(figures: list[Figure] | None, field: str) -> float | None:
    numbers = [getattr(figure, field) for figure in figures or ()]
    return None if not numbers or None in numbers else float(np.mean(numbers))


def _deviation(figures: list[Figure]) -> float | None:
    values = [figure.value for figure in figures if figure.value is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _section(split: str, grid: Grid, metric: str) -> str:
    """Return the Markdown table of one split; the best of each column is bold."""
    rows = list(dict.fromkeys(regime for at, regime, _ in grid if at == split))
    columns = sorted(dict.fromkeys(variant for at, _, variant in grid if at == split), key=lambda one: one == "mean")
    task = next(figures[0].task for (at, *_), figures in grid.items() if at == split)
    lines = [f"**{escape_markdown(split)}**: {label(task)} {label(metric)}, %", ""]
    lines += ["| trained on | " + " | ".join(escape_markdown(label(column)) for column in columns) + " |"]
    lines += ["|---" + "|---:" * len(columns) + "|"]
    best = {column: max(_average(grid.get((split, row, column)), "value") or 0.0 for row in rows) for column in columns}
    for row in rows:
        cells = [_cell(grid.get((split, row, column)), best[column]) for column in columns]
        lines.append(f"| {escape_markdown(row)} | " + " | ".join(cells) + " |")
    example = next(figures[0] for (at, *_), figures in grid.items() if at == split)
    deviation = (
        "; ± standard deviation over repeated runs" if any(len(figures) > 1 for figures in grid.values()) else ""
    )
    note = f"Columns: the text that names the classes. In brackets the 95 % interval{deviation}."
    return "\n".join([*lines, "", f"{note} Chance {percent(example.chance)} %, n = {example.n}.", ""])


def _cell(figures: list[Figure] | None, best: float) -> str:
    if not figures:
        return "–"
    value, low, high, deviation = *(_average(figures, field) for field in ("value", "low", "high")), _deviation(figures)
    text = f"**{percent(value)}**" if value == best else percent(value)
    if deviation is not None:
        text += f" ± {percent(deviation)}"
    return text if low is None else f"{text} ({percent(low)}–{percent(high)})"
