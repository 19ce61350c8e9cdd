"""Plots of the report on data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, new_axes, png

__all__ = ["rank_frequency_plot", "size_plot", "token_plot"]

Integers = npt.NDArray[np.int64]
_BINS = 40


def rank_frequency_plot(counts: Sequence[int]) -> bytes:
    """Draw the specimens of each species, from the most frequent species to the rarest."""
    canvas, axes = new_axes(4.4, 2.9)
    places = np.arange(1, len(counts) + 1)
    marker = "o" if len(counts) < 200 else ""
    axes.plot(places, counts, "-", color=COLOURS[0], marker=marker, markersize=2.5, linewidth=1.3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    _label(axes, "species, by number of specimens", "specimens")
    return png(canvas)


def size_plot(size_M2: Integers) -> bytes:
    """Draw how often images of each width and height occur."""
    canvas, axes = new_axes(4.4, 2.9)
    sizes, counts = np.unique(size_M2, axis=0, return_counts=True)
    area = 6 + 60 * counts / counts.max()
    axes.scatter(sizes[:, 0], sizes[:, 1], s=area, color=COLOURS[0], alpha=0.35, linewidths=0)
    low, high = size_M2.min() * 0.8, size_M2.max() * 1.25
    axes.plot([low, high], [low, high], "--", color=MUTED, linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        ticks = _ticks(low, high)
        axis.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    _label(axes, "width, px", "height, px")
    return png(canvas)


def token_plot(tokens: Integers, context_length: int) -> bytes:
    """Draw how many texts have how many tokens, and where a model stops reading."""
    canvas, axes = new_axes(4.4, 2.3)
    last = max(int(tokens.max()), context_length) + 1
    step = max(1, -(-last // _BINS))
    axes.hist(tokens, bins=list(range(0, last + step, step)), color=COLOURS[0], edgecolor="white", linewidth=0.4)
    axes.axvline(
        context_length + 0.5, color=COLOURS[1], linewidth=1.2, linestyle="--", label=f"{context_length} tokens"
    )
    axes.legend(frameon=False, fontsize=7, labelcolor=INK)
    _label(axes, "tokens of CLIP", "texts")
    return png(canvas)


def _ticks(low: float, high: float) -> list[float]:
    steps = [factor * 10.0**power for power in range(6) for factor in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def _label(axes: Any, across: str, up: str) -> None:
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_xlabel(across, fontsize=8, color=MUTED)
    axes.set_ylabel(up, fontsize=8, color=MUTED)
