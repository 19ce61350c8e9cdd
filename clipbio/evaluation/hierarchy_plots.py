"""Plots of the hierarchy benchmark.

Shape suffixes: C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from clipbio.evaluation.calibration import Reliability
from clipbio.evaluation.clade_maps import Clade
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.hierarchy_space import Distances
from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, new_axes, png
from clipbio.evaluation.table import label
from clipbio.taxonomy import RANKS

__all__ = ["distance_plot", "frequency_plot", "height_plot", "map_plot", "rank_plot", "reliability_plot"]

# Okabe and Ito (2008): told apart by colour-blind readers; shapes help where points are small.
_SAFE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_SHAPES = ("o", "s", "^", "D", "v", "P")
_OTHERS = "#c9cfcb"
_HEIGHTS = ("species", *reversed(RANKS[:-1]), "nothing")
_FORMS = {
    "top1": "rolled up",
    "macro_top1": "rolled up, macro",
    "text_top1": "by text",
    "text_macro_top1": "by text, macro",
}
_COUNTS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000)
_CHANCE: dict[str, Any] = {"color": INK, "linewidth": 1.3, "linestyle": (0, (1, 0.6))}


def _legend(axes: Axes, **options: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    # Lines would stand first.
    order = sorted(range(len(names)), key=lambda place: names[place] == "chance")
    handles, names = [handles[place] for place in order], [names[place] for place in order]
    box = axes.legend(handles, names, frameon=False, fontsize=7, labelcolor=INK, **options)
    for text in box.get_texts():
        text.set_parse_math(False)


def map_plot(clade: Clade) -> bytes:
    """Draw the images of a clade in the plane, its largest taxa in colours of their own."""
    canvas, axes = new_axes(4.6, 3.7)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    size = 14 if len(clade.group_M) < 400 else 7
    for number, name in enumerate(clade.names):
        x, y = clade.xy_M2[clade.group_M == number].T
        style: dict[str, Any] = {"c": _SAFE[number], "marker": _SHAPES[number], "alpha": 0.85}
        axes.scatter(x, y, s=size, linewidths=0, label=name, zorder=2, **style)
    rest = clade.group_M < 0
    if rest.any():
        more = clade.num_taxa - len(clade.names)
        name = f"{more} more" if more else "not known"
        x, y = clade.xy_M2[rest].T
        axes.scatter(x, y, s=size * 0.7, c=_OTHERS, linewidths=0, label=name, zorder=1)
    _legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=1.6, handletextpad=0.2)
    return png(canvas)


def reliability_plot(bins: Mapping[str, Reliability]) -> bytes:
    """Draw the share of right answers against their confidence, one panel per rank, the deepest first."""
    ranks = list(bins)[::-1]
    columns = min(4, len(ranks))
    rows = -(-len(ranks) // columns)
    canvas = Canvas(figsize=(1.9 * columns, 2.1 * rows + 0.2), dpi=144, layout="constrained")
    grid = np.atleast_1d(canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    for axes, rank in zip(grid, ranks, strict=False):
        _reliability(axes, bins[rank])
        axes.set_title(f"{rank}: ECE {100 * bins[rank].error:.1f} %", fontsize=8, color=INK)
    for axes in grid[len(ranks) :]:
        axes.set_visible(False)
    canvas.supxlabel("confidence, %. Area: number of answers, orange: gap", fontsize=8, color=MUTED)
    canvas.supylabel("right, %", fontsize=8, color=MUTED)
    return png(canvas)


def _reliability(axes: Axes, bins: Reliability) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=7, length=3, color=MUTED)
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.9, linestyle=":")
    confidence, right = 100 * bins.confidence_B, 100 * bins.right_B
    axes.vlines(confidence, confidence, right, color=COLOURS[1], linewidth=1.2)
    area = 5 + 70 * bins.count_B / bins.count_B.max()
    axes.scatter(confidence, right, s=area, c=COLOURS[0], linewidths=0, clip_on=False, zorder=3)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 103)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([0, 50, 100])
    axes.grid(color=GRID, linewidth=0.7)


def rank_plot(figures: Sequence[Figure], ranks: Sequence[str]) -> bytes:
    """Draw the accuracy at each rank with its interval, and a line at its chance."""
    canvas, axes = new_axes(5.2, 2.9)
    found = {(one.variant, one.metric): one for one in figures if one.task == "hierarchy" and one.value is not None}
    order = [rank for rank in reversed(ranks) if (rank, "top1") in found]
    for number, (metric, name) in enumerate(_FORMS.items()):
        for place, rank in enumerate(order):
            if (rank, metric) in found:
                _bar(axes, found[rank, metric], place + 0.2 * (number - 1.5), COLOURS[number])
        axes.bar([0], [0], color=COLOURS[number], label=name)
    axes.plot([], [], **_CHANCE, label="chance")
    axes.set_xticks(range(len(order)), labels=order)
    axes.set_ylim(0, 103)
    axes.set_ylabel("right, %", fontsize=8, color=MUTED)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _legend(axes, ncols=5, loc="lower left", bbox_to_anchor=(-0.02, 1.0), columnspacing=1.0, handlelength=1.2)
    return png(canvas)


def _bar(axes: Axes, figure: Figure, x: float, colour: str) -> None:
    value = 100 * (figure.value or 0.0)
    axes.bar(x, value, width=0.18, color=colour)
    if figure.low is not None and figure.high is not None:
        # A mean may lie a rounding error outside its own interval.
        ends = [[max(0.0, value - 100 * figure.low)], [max(0.0, 100 * figure.high - value)]]
        axes.errorbar(x, value, yerr=ends, color=INK, linewidth=0.9, capsize=2)
    if figure.chance is not None:
        axes.plot([x - 0.09, x + 0.09], [100 * figure.chance] * 2, **_CHANCE)


def height_plot(found: FloatArray, lucky: FloatArray) -> bytes:
    """Draw how many answers share which rank with the truth, beside a class drawn at random."""
    heights = np.flatnonzero((found > 0) | (lucky > 0))
    places = np.arange(len(heights))
    canvas, axes = new_axes(4.4, 2.7)
    axes.bar(places - 0.2, 100 * found[heights], width=0.38, color=COLOURS[0], label="model")
    axes.bar(places + 0.2, 100 * lucky[heights], width=0.38, color=_OTHERS, label="random class")
    for place, share in zip(places, 100 * found[heights], strict=True):
        axes.text(place - 0.2, share + 1, f"{share:.1f}", ha="center", fontsize=7, color=INK)
    axes.set_xticks(places, labels=[f"{_HEIGHTS[height]}\n{height}" for height in heights], fontsize=7)
    axes.set_xlabel("deepest rank that answer and truth share, and its height", fontsize=8, color=MUTED)
    axes.set_ylabel("images, %", fontsize=8, color=MUTED)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _legend(axes)
    return png(canvas)


def frequency_plot(count_C: NDArray[np.int64], accuracy_C: FloatArray, *, many: int, few: int) -> bytes:
    """Draw the accuracy of each class against its number of training images, and the mean of each group."""
    canvas, axes = new_axes(4.4, 2.7)
    axes.scatter(count_C, 100 * accuracy_C, s=11, c=COLOURS[2], linewidths=0, alpha=0.6, clip_on=False, label="class")
    groups = (count_C == 0, (count_C > 0) & (count_C < few), (count_C >= few) & (count_C <= many), count_C > many)
    for group in filter(np.any, groups):
        mean = 100 * float(accuracy_C[group].mean())
        ends = float(count_C[group].min()), float(count_C[group].max())
        axes.plot(ends, [mean, mean], color=COLOURS[1], linewidth=2, marker="|", markersize=6)
    axes.plot([], [], color=COLOURS[1], linewidth=2, label="mean of few, medium, many")
    low, high = max(1, int(count_C.min())), max(1, int(count_C.max()))
    if high > 20 * low or not count_C.min():
        # Linear up to 1, so that classes without images have a place.
        axes.set_xscale("symlog", linthresh=1)
        ticks = [tick for tick in _COUNTS if count_C.min() <= tick <= high]
        axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for edge in (edge for edge in (few, many) if low < edge < high):
        axes.axvline(edge, color=MUTED, linewidth=0.9, linestyle=":")
    axes.set_ylim(-2, 102)
    axes.set_xlabel("training images of the class", fontsize=8, color=MUTED)
    axes.set_ylabel("right, %", fontsize=8, color=MUTED)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _legend(axes, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))
    return png(canvas)


def distance_plot(distances: Sequence[Distances]) -> bytes:
    """Draw the cosine distances of pairs of species by the height of their lowest common ancestor."""
    heights = sorted({int(height) for one in distances for height in np.unique(one.height_P)})
    canvas, axes = new_axes(4.4, 2.7)
    width = 0.8 / len(distances)
    for number, one in enumerate(distances):
        shift = (number - (len(distances) - 1) / 2) * width
        boxes = [one.distance_P[one.height_P == height] for height in heights]
        drawn = axes.boxplot(
            boxes,
            positions=[place + shift for place in range(len(heights))],
            widths=0.85 * width,
            patch_artist=True,
            manage_ticks=False,
            whis=(5, 95),
            showfliers=False,
            medianprops={"color": INK, "linewidth": 1.4},
            boxprops={
                "facecolor": (COLOURS[0], COLOURS[2], COLOURS[1])[number],
                "edgecolor": INK,
                "linewidth": 0.7,
                "alpha": 0.75,
            },
            whiskerprops={"color": INK, "linewidth": 0.7},
            capprops={"color": INK, "linewidth": 0.7},
        )
        drawn["boxes"][0].set_label(f"{label(one.form)}s" if "_" not in one.form else label(one.form))
    names = [_HEIGHTS[height] for height in heights]
    counts = [int((distances[0].height_P == height).sum()) for height in heights]
    axes.set_xticks(
        range(len(heights)),
        labels=[f"{name}\n{count}" for name, count in zip(names, counts, strict=True)],
        fontsize=7,
    )
    axes.set_xlabel("deepest rank that two species share; pairs", fontsize=8, color=MUTED)
    axes.set_ylabel("cosine distance of two species", fontsize=8, color=MUTED)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _legend(axes, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    return png(canvas)
