"""Dots with intervals: one figure of several runs."""

from __future__ import annotations

from matplotlib.axes import Axes

from clipbio.evaluation.figures import Figure
from clipbio.evaluation.leaderboard import Leaderboard
from clipbio.evaluation.leaderboard_console import ranked
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, name_ticks, new_axes, png
from clipbio.evaluation.table import amount, is_share

__all__ = ["dot_plot"]


def dot_plot(board: Leaderboard, key: str) -> bytes:
    """Draw one figure of each run, best on top: thick over specimens, thin over species, a diamond where published.

    What was measured on other data is grey.
    """
    names = ranked(board, key)
    canvas, axes = new_axes(5.2, 0.9 + 0.3 * max(2, len(names)))
    for place, name in enumerate(names):
        figure = board.figure(key, name)
        assert figure is not None
        odd = (key, name) in board.odd
        _dot(axes, figure, place, COLOURS[5] if odd else COLOURS[0])
        for one in board.published.get((key, name), ()):
            axes.plot(100 * one.value, place, "D", color=COLOURS[1], markersize=4, fillstyle="none")
    _chance(axes, [board.figure(key, name) for name in names])
    _legend(axes, board, key)
    name_ticks(axes, names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    shares = all(is_share(run.figures[key]) for run in board.runs if key in run.figures)
    axes.set_xlabel("%" if shares else "", fontsize=8, color=MUTED)
    return png(canvas)


def _dot(axes: Axes, figure: Figure, place: int, colour: str) -> None:
    scale = 100 if is_share(figure) else 1
    value = scale * (figure.value or 0.0)
    for low, high, width in ((figure.low_species, figure.high_species, 1.0), (figure.low, figure.high, 3.0)):
        if low is not None and high is not None:
            axes.plot([scale * low, scale * high], [place, place], color=colour, linewidth=width, solid_capstyle="butt")
    axes.plot(value, place, "o", color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.8)
    axes.annotate(
        amount(figure, figure.value),
        (value, place),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=7,
        color=INK,
    )


def _chance(axes: Axes, figures: list[Figure | None]) -> None:
    shown = [one for one in figures if one is not None]
    chances = {one.chance for one in shown if one.chance is not None}
    if len(chances) == 1:
        axes.axvline(
            chances.pop() * (100 if is_share(shown[0]) else 1), color=MUTED, linewidth=1, linestyle="--", label="chance"
        )


def _legend(axes: Axes, board: Leaderboard, key: str) -> None:
    if any(board.published.get((key, run.name)) for run in board.runs):
        axes.plot([], [], "D", color=COLOURS[1], markersize=4, fillstyle="none", label="published")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
