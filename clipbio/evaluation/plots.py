"""Plots of the report: data in, PNG bytes out, by matplotlib's object API without any global state."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.table import label, percent

__all__ = ["accuracy_plot", "confusion_plot", "curve_plot", "name_ticks", "new_axes", "png", "styled", "variant_plot"]

INK, MUTED, GRID = "#22302a", "#7b8780", "#e3e7e4"
COLOURS = ("#2f6f4f", "#c4781a", "#3b6ea8", "#9a4f7d", "#6b7f1f", "#7b8780")
_LONGEST_NAME = 34
_MANY_CLASSES = 60


def new_axes(width: float, height: float) -> tuple[Canvas, Axes]:
    """Return a canvas of so many inches, and its axes in the style of the house."""
    canvas = Canvas(figsize=(width, height), dpi=144, layout="constrained")
    axes = canvas.add_subplot()
    styled(axes)
    return canvas, axes


def styled(axes: Axes) -> None:
    """Give axes the style of the house."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=8, length=3, color=MUTED)
    axes.set_axisbelow(True)


def png(canvas: Canvas) -> bytes:
    """Return what is drawn as PNG."""
    buffer = io.BytesIO()
    # Without metadata the same plot is the same bytes.
    FigureCanvasAgg(canvas).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _short(name: str) -> str:
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    return clean if len(clean) <= _LONGEST_NAME else clean[: _LONGEST_NAME - 1] + "…"


def name_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Set names as labels of the rows of a plot."""
    _ticks(axes, "y", names)


def _ticks(axes: Axes, side: str, names: Sequence[str], *, size: float = 8, rotation: float = 0) -> None:
    """Set names as tick labels. A dollar sign in a name must not start a formula, which could be a broken one."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_ticks(range(len(names)), labels=[_short(name) for name in names], parse_math=False, fontsize=size)
    if rotation:
        axis.set_tick_params(rotation=rotation)


def curve_plot(
    curves: Mapping[str, Sequence[tuple[float, float]]], *, unit: str = "", from_zero: bool = False
) -> bytes:
    """Draw lines over optimiser steps."""
    canvas, axes = new_axes(3.7, 2.3)
    for number, (name, points) in enumerate(curves.items()):
        steps, values = zip(*points)
        marker = "o" if len(points) < 25 else ""
        colour = COLOURS[number % len(COLOURS)]
        style = "-" if number < len(COLOURS) else "--"
        axes.plot(steps, values, style, color=colour, marker=marker, markersize=3, linewidth=1.4, label=_short(name))
    if from_zero:
        axes.set_ylim(bottom=0)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_xlabel("step", fontsize=8, color=MUTED)
    axes.set_ylabel(unit, fontsize=8, color=MUTED, parse_math=False)
    if len(curves) > 1:
        for text in axes.legend(frameon=False, fontsize=7, labelcolor=INK).get_texts():
            text.set_parse_math(False)
    return png(canvas)


def variant_plot(rows: Mapping[str, Mapping[str, Figure]]) -> bytes:
    """Draw the top-1 of each variant with its interval, that of its control, and the line of chance."""
    shown = {name: row for name, row in rows.items() if "top1" in row and row["top1"].value is not None}
    canvas, axes = new_axes(5.2, 0.8 + 0.36 * max(2, len(shown)))
    for place, (name, row) in enumerate(shown.items()):
        figure = row["top1"]
        axes.barh(place, 100 * (figure.value or 0.0), color=COLOURS[5 if name == "mean" else 0], height=0.6)
        end = _whiskers(axes, figure, place, INK)
        axes.text(end + 1.2, place, percent(figure.value), va="center", fontsize=8, color=INK)
        if "top1_permuted" in row:
            _whiskers(axes, row["top1_permuted"], place + 0.4, COLOURS[2], marker="D")
    chance = next((row["top1"].chance for row in shown.values()), None)
    if chance is not None:
        axes.axvline(100 * chance, color=COLOURS[1], linewidth=1.2, linestyle="--", label=f"chance {percent(chance)}")
    if any("top1_permuted" in row for row in shown.values()):
        axes.plot([], [], "D", color=COLOURS[2], markersize=3, label="texts permuted")
    axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    _ticks(axes, "y", [label(name) for name in shown])
    axes.set_ylim(max(len(shown), 1) - 0.35, -0.5)
    axes.set_xlim(0, 109)
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlabel("top-1, %", fontsize=8, color=MUTED)
    return png(canvas)


def _whiskers(axes: Axes, figure: Figure, place: float, colour: str, *, marker: str = "") -> float:
    """Draw the interval of a figure and return where it ends."""
    value = 100 * (figure.value or 0.0)
    low = value if figure.low is None else 100 * figure.low
    high = value if figure.high is None else 100 * figure.high
    # A mean may lie a rounding error outside its own interval.
    bounds = [[max(0.0, value - low)], [max(0.0, high - value)]]
    fmt = marker or "none"
    axes.errorbar(value, place, xerr=bounds, color=colour, capsize=2.5, linewidth=1, fmt=fmt, markersize=3)
    return max(value, high)


def accuracy_plot(names: Sequence[str], accuracy_C: NDArray[np.float64], *, chance: float) -> bytes:
    """Draw the accuracy of each class, sorted; of very many classes only how they are distributed."""
    if len(names) > _MANY_CLASSES:
        canvas, axes = new_axes(5.6, 2.6)
        axes.hist(100 * accuracy_C, bins=list(range(0, 105, 5)), color=COLOURS[0], edgecolor="white", linewidth=0.6)
        axes.axvline(100 * float(accuracy_C.mean()), color=COLOURS[1], linewidth=1.2, linestyle="--", label="mean")
        axes.legend(frameon=False, fontsize=7, labelcolor=INK)
        axes.set_ylabel("classes", fontsize=8, color=MUTED)
        axes.grid(axis="y", color=GRID, linewidth=0.7)
    else:
        canvas, axes = new_axes(5.6, 0.7 + 0.19 * max(3, len(names)))
        order = sorted(range(len(names)), key=lambda place: (-accuracy_C[place], names[place]))
        axes.barh(range(len(order)), 100 * accuracy_C[order], color=COLOURS[0], height=0.7)
        axes.axvline(100 * chance, color=COLOURS[1], linewidth=1.2, linestyle="--")
        _ticks(axes, "y", [names[place] for place in order], size=7)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlim(0, 100)
    axes.set_xlabel("images placed in their class, %", fontsize=8, color=MUTED)
    return png(canvas)


def confusion_plot(names: Sequence[str], counts_FF: NDArray[np.float64]) -> bytes:
    """Draw a confusion matrix as shares of each row: true families down, predicted ones across."""
    shares = counts_FF / np.maximum(counts_FF.sum(axis=1, keepdims=True), 1)
    side = min(6.6, 2.2 + 0.19 * len(names))
    canvas, axes = new_axes(side + 0.6, side)
    image = axes.imshow(100 * shares, cmap="Greens", vmin=0, vmax=100)
    size = 8 if len(names) <= 16 else 6.5
    _ticks(axes, "x", names, size=size, rotation=90)
    _ticks(axes, "y", names, size=size)
    axes.set_xlabel("predicted family", fontsize=8, color=MUTED)
    axes.set_ylabel("true family", fontsize=8, color=MUTED)
    if len(names) <= 16:
        for row, column in zip(*np.nonzero(shares >= 0.005)):
            share = 100 * shares[row, column]
            colour = "white" if share > 60 else INK
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=6, color=colour)
    bar = canvas.colorbar(image, ax=axes, shrink=0.6, aspect=24)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, colors=MUTED, length=2)
    bar.set_label("% of the row", fontsize=7, color=MUTED)
    return png(canvas)


def finite_points(history: Sequence[Mapping[str, object]], key: str) -> list[tuple[float, float]]:
    """Return the (step, value) pairs of one logged number, leaving out what is missing or not finite."""
    points = []
    for entry in history:
        step, value = entry.get("step"), entry.get(key)
        if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(value):
            points.append((float(step), float(value)))
    return points
