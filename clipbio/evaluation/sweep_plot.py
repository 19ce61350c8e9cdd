"""The plot of a sweep: what was varied beside how well it did, in the form that fits what was varied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, name_ticks, new_axes, png, styled
from clipbio.evaluation.sweep import Point, Sweep, short, shown_value
from clipbio.evaluation.table import label

__all__ = ["sweep_plot"]

# One axis spans more than this factor: it is drawn by its logarithm.
_WIDE = 8
# So many values of an axis are all named on it.
_FEW = 8
_MOST_ROWS = 60


def sweep_plot(sweep: Sweep) -> bytes | None:
    """Draw a sweep as PNG; None if no point has a value yet.

    One number: a line over it. Two numbers: a heat map of a grid, else points in their plane. A mixture: its shares as
    bars beside the figures. All else: a row of dots with intervals for each point, the best on top.
    """
    shown = [point for point in sweep.points if point.value is not None]
    if not shown:
        return None
    axes = [key for key in sweep.axes if len({repr(point.varied.get(key)) for point in shown}) > 1]
    numeric = all(isinstance(point.varied.get(key), int | float) for key in axes for point in shown)
    if numeric and len(axes) == 1:
        return _line(sweep, shown, axes[0])
    if numeric and len(axes) == 2:
        grid = _grid(shown, axes)
        return _heat(sweep, shown, axes, *grid) if grid else _plane(sweep, shown, axes)
    return _rows(sweep, shown[:_MOST_ROWS], axes)


# -- one number -------------------------------------------------------------------------------------------------------


def _line(sweep: Sweep, shown: list[Point], axis: str) -> bytes:
    canvas, axes = new_axes(4.6, 3.0)
    ordered = sorted(shown, key=lambda point: point.varied[axis])
    for number, (key, head) in enumerate(sweep.drawn.items()):
        found = [(point, sweep.figure(point, key)) for point in ordered]
        points = [(float(point.varied[axis]), figure) for point, figure in found if figure is not None]
        if not points:
            continue
        x, y = [place for place, _ in points], [_scaled(sweep, figure.value) for _, figure in points]
        low, high = zip(*(_bounds(sweep, figure) for _, figure in points), strict=True)
        axes.errorbar(x, y, yerr=[low, high], color=COLOURS[number], marker="o", markersize=4, linewidth=1.4, capsize=2,
                      elinewidth=0.8, label=head)  # fmt: skip
    _scale(axes, "x", [float(point.varied[axis]) for point in shown])
    if len(ordered) <= _FEW:
        tried = [point.varied[axis] for point in ordered]
        axes.set_xticks(tried, labels=[shown_value(value) for value in tried], minor=False)
        axes.minorticks_off()
    axes.set_xlabel(short([axis])[axis], fontsize=8, color=MUTED, parse_math=False)
    axes.set_ylabel(_title(sweep), fontsize=8, color=MUTED)
    axes.grid(color=GRID, linewidth=0.7)
    _legend(axes)
    return png(canvas)


# -- two numbers ------------------------------------------------------------------------------------------------------


def _grid(shown: list[Point], axes: list[str]) -> tuple[list[Any], list[Any]] | None:
    """Return the values of both axes if most of their combinations were tried."""
    x, y = (sorted({point.varied[key] for point in shown}) for key in axes)
    return (x, y) if 2 * len(shown) >= len(x) * len(y) and len(x) > 1 and len(y) > 1 else None


def _heat(sweep: Sweep, shown: list[Point], axes: list[str], x: list[Any], y: list[Any]) -> bytes:
    """Draw a grid as a heat map; what is not finished stands in brackets."""
    values = np.full((len(y), len(x)), np.nan)
    whole: set[tuple[int, int]] = set()
    for point in reversed(shown):
        place = y.index(point.varied[axes[1]]), x.index(point.varied[axes[0]])
        values[place] = _scaled(sweep, point.value)
        whole = whole | {place} if point.finished else whole - {place}
    canvas, plot = new_axes(1.9 + 0.62 * len(x), 1.4 + 0.42 * len(y))
    image = plot.imshow(values, cmap="Greens", origin="lower", aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        if math.isfinite(value):
            colour = "white" if value > middle else INK
            text = _shown(sweep, value)
            text = text if (row, column) in whole else f"({text})"
            plot.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    names = short(axes)
    for axis, side, key in ((plot.xaxis, x, axes[0]), (plot.yaxis, y, axes[1])):
        axis.set_ticks(range(len(side)), labels=[shown_value(value) for value in side], fontsize=8)
        axis.set_label_text(names[key], fontsize=8, color=MUTED, parse_math=False)
    _mark_best(sweep, plot, lambda best: (x.index(best.varied[axes[0]]), y.index(best.varied[axes[1]])))
    plot.set_title(_objective(sweep), fontsize=8, color=INK, loc="left")
    image.set_clim(np.nanmin(values), np.nanmax(values) + 1e-9)
    return png(canvas)


def _mark_best(sweep: Sweep, plot: Axes, place: Any) -> None:
    if sweep.best is not None:
        x, y = place(sweep.best)
        plot.plot([x - 0.5, x + 0.5, x + 0.5, x - 0.5, x - 0.5], [y - 0.5, y - 0.5, y + 0.5, y + 0.5, y - 0.5],
                  color=COLOURS[1], linewidth=2, clip_on=False, zorder=3)  # fmt: skip


def _plane(sweep: Sweep, shown: list[Point], axes: list[str]) -> bytes:
    canvas, plot = new_axes(5.0, 3.6)
    whole = [point for point in shown if point.finished]
    others = [point for point in shown if not point.finished]
    x, y = ([float(point.varied[key]) for point in whole] for key in axes)
    if whole:
        values = [_scaled(sweep, point.value) for point in whole]
        dots = plot.scatter(x, y, c=values, cmap="viridis", s=42, edgecolors="white", linewidths=0.7, zorder=2)
        bar = canvas.colorbar(dots, ax=plot, shrink=0.8, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, colors=MUTED, length=2)
        bar.set_label(_objective(sweep), fontsize=7, color=MUTED)
    if others:
        places = ([float(point.varied[key]) for point in others] for key in axes)
        plot.plot(*places, "x", color=MUTED, markersize=6, label="pruned or not finished")
    if sweep.best is not None:
        best = sweep.best
        spot = [float(best.varied[key]) for key in axes]
        plot.plot(*spot, "o", color=COLOURS[1], fillstyle="none", markersize=11, markeredgewidth=1.6,
                  label=f"best: {_shown(sweep, _scaled(sweep, best.value))}")  # fmt: skip
    names = short(axes)
    for side, key in (("x", axes[0]), ("y", axes[1])):
        _scale(plot, side, [float(point.varied[key]) for point in shown])
    plot.set_xlabel(names[axes[0]], fontsize=8, color=MUTED, parse_math=False)
    plot.set_ylabel(names[axes[1]], fontsize=8, color=MUTED, parse_math=False)
    plot.grid(color=GRID, linewidth=0.7)
    _legend(plot)
    return png(canvas)


# -- mixtures and all else --------------------------------------------------------------------------------------------


def _rows(sweep: Sweep, shown: list[Point], axes: list[str]) -> bytes:
    mixture = next((key for key in axes if isinstance(shown[0].varied.get(key), Mapping)), None)
    height = 1.0 + 0.27 * max(3, len(shown))
    if mixture is None:
        canvas, right = new_axes(6.4, height)
        name_ticks(right, [point.says() for point in shown])
    else:
        canvas = Canvas(figsize=(7.6, height), dpi=144, layout="constrained")
        left, right = canvas.subplots(1, 2, sharey=True, width_ratios=(1, 1.35))
        styled(left)
        styled(right)
        _bars(left, [point.varied.get(mixture) or {} for point in shown])
        name_ticks(left, [_rest(point, mixture) or str(place) for place, point in enumerate(shown, 1)])
        right.tick_params(labelleft=False)
    for number, (key, head) in enumerate(sweep.drawn.items()):
        _dots(right, sweep, [sweep.figure(point, key) for point in shown], number, head)
    right.set_ylim(len(shown) - 0.4, -0.6)
    right.grid(axis="x", color=GRID, linewidth=0.7)
    right.set_xlabel(_title(sweep), fontsize=8, color=MUTED)
    right.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=4, loc="lower left", bbox_to_anchor=(0, 1),
                 handletextpad=0.2, columnspacing=1.0)  # fmt: skip
    return png(canvas)


def _rest(point: Point, mixture: str) -> str:
    """Return what else than the mixture was varied."""
    return point.says([mixture]) if len(point.varied) > 1 else ""


def _bars(axes: Axes, mixtures: list[Mapping[str, float]]) -> None:
    # The fullest mixture holds names in the order of the config.
    names = list(dict.fromkeys(name for mixture in sorted(mixtures, key=len, reverse=True) for name in mixture))
    for number, name in enumerate(names):
        shares = [100 * mixture.get(name, 0.0) for mixture in mixtures]
        before = [100 * sum(mixture.get(one, 0.0) for one in names[:number]) for mixture in mixtures]
        axes.barh(range(len(mixtures)), shares, left=before, height=0.62, color=COLOURS[number % len(COLOURS)],
                  edgecolor="white", linewidth=0.6, label=label(name))  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 50, 100])
    axes.set_xlabel("share of the texts, %", fontsize=8, color=MUTED)
    axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1),
                handlelength=1, handletextpad=0.4, columnspacing=0.8)  # fmt: skip


def _dots(axes: Axes, sweep: Sweep, figures: list[Figure | None], number: int, head: str) -> None:
    """Draw one figure of all points, a little below that before it; the first one, which chooses, is drawn larger."""
    known = [(place + 0.16 * number - 0.12, figure) for place, figure in enumerate(figures) if figure is not None]
    if not known:
        return
    values = [_scaled(sweep, figure.value) for _, figure in known]
    low, high = zip(*(_bounds(sweep, figure) for _, figure in known), strict=True)
    size, line = (5.0, 2.0) if number == 0 else (3.2, 0.8)
    places, shape, colour = [place for place, _ in known], "D" if number else "o", COLOURS[number % len(COLOURS)]
    bars = axes.errorbar(values, places, xerr=[low, high], fmt=shape, markersize=size, elinewidth=line, color=colour)
    bars.set_label(head)


# -- parts ------------------------------------------------------------------------------------------------------------


def _bounds(sweep: Sweep, figure: Figure) -> tuple[float, float]:
    """Return how far the interval reaches below and above; a mean may lie a rounding error outside of its own."""
    value = figure.value or 0.0
    low, high = (value if bound is None else bound for bound in (figure.low, figure.high))
    return max(0.0, _scaled(sweep, value - low)), max(0.0, _scaled(sweep, high - value))


def _scaled(sweep: Sweep, value: float | None) -> float:
    """Return a value as it is drawn: in percent where the objective is a share, and with it all that is drawn."""
    return (100 if sweep.in_percent else 1) * (value or 0.0)


def _shown(sweep: Sweep, value: float) -> str:
    return f"{value:.{1 if sweep.in_percent else 2}f}"


def _scale(axes: Axes, side: str, values: list[float]) -> None:
    if min(values) > 0 and max(values) / min(values) >= _WIDE:
        (axes.set_xscale if side == "x" else axes.set_yscale)("log")


def _title(sweep: Sweep) -> str:
    common = sweep.heads()[0] or ("figures" if len(sweep.drawn) > 1 else label(sweep.objective))
    return f"{common}, %" if sweep.in_percent else common


def _objective(sweep: Sweep) -> str:
    return label(sweep.objective) + (", %" if sweep.in_percent else "")


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[1]:
        box = axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
        for text in box.get_texts():
            text.set_parse_math(False)
