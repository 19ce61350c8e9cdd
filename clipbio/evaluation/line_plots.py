"""Plots of one share against another, with a point where a threshold chosen on validation lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, new_axes, png

__all__ = ["Line", "line_plot"]

_POINTS = 600


@dataclass(frozen=True)
class Line:
    """A named curve, and the point on it that was chosen."""

    name: str
    x: FloatArray
    y: FloatArray
    chosen: tuple[float, float] | None = None

    def thinned(self) -> tuple[FloatArray, FloatArray]:
        """Return at most some hundred points, the first and the last among them."""
        if len(self.x) <= _POINTS:
            return self.x, self.y
        places = np.linspace(0, len(self.x) - 1, _POINTS).round().astype(int)
        return self.x[places], self.y[places]


def line_plot(
    lines: list[Line],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    x_names: tuple[str, ...] = (),
) -> bytes:
    """Draw shares in percent against shares in percent, or against ranks where `x_names` names them."""
    canvas, axes = new_axes(3.7, 3.2)
    scale = 1.0 if x_names else 100.0
    if diagonal:
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.9, linestyle=":")
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        x, y = line.thinned()
        style = "-" if number < len(COLOURS) else "--"
        axes.plot(scale * x, 100 * y, style, color=colour, linewidth=1.4, label=line.name)
        if line.chosen is not None:
            point = scale * line.chosen[0], 100 * line.chosen[1]
            axes.plot(*point, "o", color=colour, markersize=4.5, clip_on=False, zorder=3)
    if x_names:
        axes.set_xticks(range(len(x_names)), labels=x_names, fontsize=7, rotation=40)
        axes.set_xlim(-0.1, len(x_names) - 0.9)
    else:
        axes.set_xlim(0, 100)
    # A line along zero is seen above the axis.
    axes.set_ylim(-2, 102)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_xlabel(x_label, fontsize=8, color=MUTED)
    axes.set_ylabel(y_label, fontsize=8, color=MUTED)
    # Where lines leave room for it, else over them.
    box = axes.legend(edgecolor="none", framealpha=0.85, fontsize=7, labelcolor=INK, loc="best")
    for text in box.get_texts():
        text.set_parse_math(False)
    return png(canvas)
