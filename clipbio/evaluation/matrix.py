"""The matrix of several runs: trained on one text regime (rows), tested with each text type (columns)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from clipbio.evaluation.figures import Figure, parse
from clipbio.evaluation.table import escape_markdown, label, percent
from clipbio.files import write_text

__all__ = ["write_matrix"]

_COLUMNS = ("split", "train", "test", "metric", "value", "low", "high", "n", "chance", "runs", "sd")
Grid = Mapping[tuple[str, str, str], list[Figure]]


def write_matrix(
    folder: Path,
    runs: Iterable[tuple[str, Mapping[str, float]]],
    *,
    splits: Sequence[str],
    task: str = "zero_shot",
    metric: str = "top1",
    name: str = "matrix",
) -> tuple[Path, Path]:
    """Write how each run (named by its training regime) does on each text type, as `NAME.md` and `NAME.csv`.

    Runs of the same name are repeats: their mean is written, with the standard deviation over them. The bounds of the
    interval are then the means of the bounds of the runs.
    """
    grid: dict[tuple[str, str, str], list[Figure]] = {}
    for regime, metrics in runs:
        for figure in parse(metrics):
            wanted = figure.task == task and figure.metric == metric and figure.split in splits
            if wanted and figure.value is not None and not figure.variant.endswith("_permuted"):
                grid.setdefault((figure.split, regime, figure.variant), []).append(figure)
    table, data = folder / f"{name}.md", folder / f"{name}.csv"
    sections = [_section(split, grid, metric) for split in splits]
    write_text(table, "\n".join(section for section in sections if section))
    _write_csv(data, grid)
    return table, data


def _write_csv(path: Path, grid: Grid) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for (split, regime, variant), figures in grid.items():
            numbers = [_average(figures, field) for field in ("value", "low", "high")]
            counts = [figures[0].n, figures[0].chance, len(figures), _deviation(figures)]
            cells = ["" if number is None else number for number in (*numbers, *counts)]
            writer.writerow([split, regime, variant, figures[0].metric, *cells])


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
    if not rows:
        return ""
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
