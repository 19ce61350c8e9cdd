"""Section of the report on grounding: sheets, where a part is, and where each method saw the words about it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from clipbio.evaluation.grounding_detail import GroundingDetail, GroundingSheet
from clipbio.evaluation.panel import Panel
from clipbio.evaluation.pictures import Album
from clipbio.evaluation.plots import INK, png
from clipbio.evaluation.table import label

__all__ = ["grounding_panels", "sheet_plot"]

_CELL = 1.25
_LONGEST = 34


def grounding_panels(details: Sequence[GroundingDetail], album: Album) -> list[Panel]:
    """Return one panel with a picture for each specimen that is shown."""
    plots = []
    for detail in details:
        for sheet in detail.sheets:
            caption = f"{detail.split}: {sheet.id}"
            name = f"{detail.task}-{detail.split}-{sheet.id}"
            plots.append((caption, album.plot(name, sheet_plot(sheet), f"{label(detail.task)}, {caption}")))
    note = (
        "Left the sheet with the outline of the part that is asked for; the brighter, the more a place fits the phrase."
    )
    return [Panel("Grounding: where words are", note, plots, wide=True)] if plots else []


def sheet_plot(sheet: GroundingSheet) -> bytes:
    """Draw a specimen, a row for each phrase and a column for each method."""
    methods = list(dict.fromkeys(name for row in sheet.rows for name in row.maps))
    shape = len(sheet.rows), 1 + len(methods)
    canvas = Canvas(figsize=(_CELL * shape[1], (_CELL + 0.2) * shape[0]), dpi=144, layout="constrained")
    FigureCanvasAgg(canvas)
    axes_RC = canvas.subplots(*shape, squeeze=False)
    grey_HW = sheet.pixels_HWC.mean(axis=2)
    for axes_C, row in zip(axes_RC, sheet.rows, strict=True):
        axes_C[0].imshow(sheet.pixels_HWC)
        for axes, method in zip(axes_C[1:], methods, strict=True):
            axes.imshow(grey_HW, cmap="gray", vmin=0, vmax=255)
            if method in row.maps:
                axes.imshow(row.maps[method], cmap="inferno", alpha=0.75, vmin=0, vmax=1)
        for axes in axes_C:
            axes.contour(row.mask_HW, levels=[0.5], colors="#35c4d0", linewidths=0.6)
            axes.set_axis_off()
        axes_C[0].set_title(_short(row.phrase), fontsize=5.5, color=INK, loc="left", parse_math=False)
    for axes, method in zip(axes_RC[0, 1:], methods, strict=True):
        axes.set_title(method, fontsize=6, color=INK)
    return png(canvas)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
