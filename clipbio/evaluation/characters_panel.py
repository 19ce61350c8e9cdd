"""Sections of the report on characters: what is told of images, and how well false statements are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clipbio.evaluation.characters_detail import DescribeDetail, VerifyDetail
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.hierarchy_plots import reliability_plot
from clipbio.evaluation.panel import Panel
from clipbio.evaluation.pictures import Album
from clipbio.evaluation.plots import COLOURS, GRID, INK, MUTED, name_ticks, new_axes, png
from clipbio.evaluation.table import label

__all__ = ["characters_plot", "describe_panels", "verify_panels"]


def describe_panels(details: Sequence[DescribeDetail], album: Album) -> Iterator[Panel]:
    """Yield for each split the accuracy of each character beside the most frequent state, and the calibration."""
    for one in details:
        caption = f"Characters of images, {one.split}"
        content = characters_plot(one.figures, "accuracy", second="probe_accuracy", x_label="images answered right, %")
        plots = [(caption, album.plot(f"describe-{one.split}", content, caption))]
        caption = f"Confidence and accuracy, {one.split}"
        # The deepest stands first in a plot of ranks: the order is turned.
        content = reliability_plot({"calibrated": one.after, "cosines": one.before})
        plots.append((caption, album.plot(f"describe-{one.split}-reliability", content, caption)))
        note = (
            f"Bar: by captions, with the 95 % interval over species. Diamond: the most frequent state of the train "
            f"species. Circle: a linear probe on train images. Truth: {one.truth}."
        )
        yield Panel(f"Describe: {one.split}", note, plots, wide=True)


def verify_panels(details: Sequence[VerifyDetail], album: Album) -> Iterator[Panel]:
    """Yield for each split how well true statements are told from planted ones."""
    for one in details:
        caption = f"True and planted statements, {one.split}"
        content = characters_plot(one.figures, "auroc", x_label="AUROC, %")
        plot = album.plot(f"verify-{one.split}", content, caption)
        note = (
            "Bar: the evidence of the images of a species, with the 95 % interval over species. Diamond: chance, which "
            f"is what the frequency of states gives too. Truth: {one.truth}."
        )
        yield Panel(f"Verify: {one.split}", note, [(caption, plot)])


def characters_plot(figures: Sequence[Figure], metric: str, *, x_label: str, second: str = "") -> bytes:
    """Draw a bar for each character with its interval, what luck gives, and a second figure as a circle.

    Args:
        figures: Figures of characters, by their variants; those of `all` and `mean` stand last, in grey.
        metric: What the bars show.
        x_label: What stands below them.
        second: What the circles show.
    """
    shown = [one for one in figures if one.metric == metric and one.value is not None]
    shown.sort(key=lambda one: (one.variant in ("all", "mean"), -(one.value or 0.0), one.variant))
    beside = {one.variant: one.value for one in figures if one.metric == second and one.value is not None}
    canvas, axes = new_axes(5.2, 0.9 + 0.2 * max(3, len(shown)))
    for place, one in enumerate(shown):
        value, joint = 100 * (one.value or 0.0), one.variant in ("all", "mean")
        axes.barh(place, value, color=COLOURS[5 if joint else 0], height=0.68)
        if one.low is not None and one.high is not None:
            # A mean may lie a rounding error outside its own interval.
            ends = [[max(0.0, value - 100 * one.low)], [max(0.0, 100 * one.high - value)]]
            axes.errorbar(value, place, xerr=ends, color=INK, linewidth=0.9, capsize=2)
        if one.chance is not None:
            axes.plot(100 * one.chance, place, "D", color=COLOURS[1], markersize=4, zorder=3)
        if one.variant in beside:
            value = 100 * beside[one.variant]
            axes.plot(value, place, "o", markerfacecolor="white", markeredgecolor=COLOURS[2], markersize=4.5, zorder=3)
    name_ticks(axes, [label(one.variant) for one in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_xlabel(x_label, fontsize=8, color=MUTED)
    return png(canvas)
