"""Sections of the report on traits and on small tasks: where a model is strong and where it is weak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.newt import NewtDetail
from clipbio.evaluation.panel import Panel
from clipbio.evaluation.pictures import Album
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, new_axes, png
from clipbio.evaluation.table import label
from clipbio.evaluation.traits import TraitsDetail

__all__ = ["newt_panels", "ranked_plot", "spread_plot", "traits_panels"]

_WEAKEST = 25


def traits_panels(details: Sequence[TraitsDetail], album: Album) -> list[Panel]:
    """Return one plot per split of how well each trait is read."""
    plots = []
    for one in details:
        caption = f"{label(one.task)}, {one.split}: average precision of each trait"
        content = ranked_plot(one.names, one.precision_L, one.share_L, x_label="average precision, %")
        plots.append((caption, album.plot(f"{one.task}-{one.split}", content, caption)))
    note = "Diamond: the share of images with the trait, about the average precision of a random order."
    return [Panel("Traits", note, plots)] if plots else []


def newt_panels(details: Sequence[NewtDetail], album: Album) -> list[Panel]:
    """Return two plots per split: tasks by cluster, and the weakest tasks by name."""
    plots = []
    for one in details:
        groups: dict[str, list[float]] = {name: [] for name in sorted({task.cluster for task in one.tasks})}
        for task, accuracy in zip(one.tasks, one.accuracy_T, strict=True):
            groups[task.cluster].append(float(accuracy))
        weakest = np.argsort(one.accuracy_T, kind="stable")[:_WEAKEST]
        named = tuple(one.tasks[place].name for place in weakest)
        drawn = {
            "every task by cluster": spread_plot(groups, x_label="images answered right, %"),
            "the weakest tasks": ranked_plot(
                named, one.accuracy_T[weakest], one.chance_T[weakest], x_label="images answered right, %"
            ),
        }
        for number, (shown, content) in enumerate(drawn.items()):
            caption = f"{label(one.task)}, {one.split}: {shown}"
            plots.append((caption, album.plot(f"{one.task}-{one.split}-{number}", content, caption)))
    note = "A dot is a task, a bar across the mean of its cluster. Diamond: what guessing reaches; dashes: half."
    return [Panel("Small tasks", note, plots)] if plots else []


def ranked_plot(names: Sequence[str], value_L: FloatArray, chance_L: FloatArray, *, x_label: str) -> bytes:
    """Draw a bar for each name, the highest first, and what luck would reach."""
    order = sorted(range(len(names)), key=lambda place: (-value_L[place], names[place]))
    canvas, axes = new_axes(4.4, 0.8 + 0.17 * max(3, len(names)))
    axes.barh(range(len(order)), 100 * value_L[order], color=COLOURS[0], height=0.7)
    axes.plot(100 * chance_L[order], range(len(order)), "D", color=COLOURS[1], markersize=3)
    axes.set_yticks(range(len(order)), labels=[names[place] for place in order], fontsize=6.5, parse_math=False)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlabel(x_label, fontsize=8, color=MUTED)
    return png(canvas)


def spread_plot(groups: dict[str, list[float]], *, x_label: str) -> bytes:
    """Draw the values of each group as dots on a line, and their mean as a bar across."""
    canvas, axes = new_axes(4.4, 0.9 + 0.42 * max(2, len(groups)))
    for place, values in enumerate(groups.values()):
        # Dots of one value would hide each other.
        sway = 0.22 * np.sin(2.4 * np.arange(len(values)))
        axes.plot(100 * np.array(values), place + sway, "o", color=COLOURS[0], markersize=3.5, alpha=0.55, linewidth=0)
        axes.plot([100 * float(np.mean(values))] * 2, [place - 0.36, place + 0.36], color=INK, linewidth=1.6)
    axes.axvline(50, color=COLOURS[1], linewidth=1.0, linestyle="--")
    names = [f"{name} ({len(values)})" for name, values in groups.items()]
    axes.set_yticks(range(len(groups)), labels=names, fontsize=8, parse_math=False)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(0, 101)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlabel(x_label, fontsize=8, color=MUTED)
    return png(canvas)
