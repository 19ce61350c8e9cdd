"""A plot of the key-query benchmark: how much of an answer is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from clipbio.evaluation.key_query import KeyQueryDetail
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, new_axes, png
from clipbio.evaluation.table import label

__all__ = ["deepest_right", "error_plot"]

_SHADES = LinearSegmentedColormap.from_list("leaf", [COLOURS[0], "#dfe9e2"])


def deepest_right(detail: KeyQueryDetail) -> NDArray[np.float64]:
    """Return the share of first answers whose deepest right rank is each rank, the deepest first, and of none."""
    correct_QR = detail.correct_QR.numpy()[:, ::-1]
    first_Q = np.where(correct_QR.any(axis=1), correct_QR.argmax(axis=1), correct_QR.shape[1])
    shares: NDArray[np.float64] = np.bincount(first_Q, minlength=correct_QR.shape[1] + 1) / max(1, len(first_Q))
    return shares


def error_plot(details: Sequence[KeyQueryDetail]) -> bytes:
    """Draw one bar per pair of query and key, cut into the deepest rank at which the first answer is right."""
    canvas, axes = new_axes(5.6, 1.0 + 0.24 * max(2, len(details)))
    shares = 100 * np.stack([deepest_right(detail) for detail in details])
    names = [*reversed(details[0].ranks), "none"]
    start = np.zeros(len(details))
    for place, name in enumerate(names):
        colour = COLOURS[1] if name == "none" else _SHADES(place / max(1, len(names) - 2))
        axes.barh(range(len(details)), shares[:, place], left=start, color=colour, height=0.74, label=name)
        start += shares[:, place]
    axes.set_yticks(range(len(details)), labels=[label(one.variant) for one in details], fontsize=7.5)
    axes.set_ylim(len(details) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlabel("queries, %", fontsize=8, color=MUTED)
    axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=len(names), loc="lower left", bbox_to_anchor=(0, 1))
    return png(canvas)
