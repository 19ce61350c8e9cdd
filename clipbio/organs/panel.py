"""A picture to look at: sheets, their true masks, and what the segmenter sees, side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipbio.data.images import rgb
from clipbio.data.masks import encode_numbers

__all__ = ["Example", "write_panel"]

Example = tuple[bytes, np.ndarray, np.ndarray]
"""The picture, the true numbers and those that were found, both (H, W)."""

_SIDE, _GAP, _LINE = 220, 6, 22
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


def write_panel(path: Path, examples: Sequence[Example], labels: Sequence[str]) -> None:
    """Write one column per example: sheet, truth, found; below them what the colours mean."""
    columns = [[rgb(image), *map(_coloured, (truth, found))] for image, truth, found in examples]
    width = len(columns) * (_SIDE + _GAP) + _GAP
    panel = Image.new("RGB", (max(width, 480), 3 * (_SIDE + _GAP) + _GAP + 2 * _LINE), _PAPER)
    for left, column in enumerate(columns):
        for top, picture in enumerate(column):
            resampling = Image.Resampling.NEAREST if top else Image.Resampling.LANCZOS
            picture.thumbnail((_SIDE, _SIDE), resampling)
            if max(picture.size) < _SIDE:
                scale = _SIDE / max(picture.size)
                picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), resampling)
            panel.paste(picture, (_GAP + left * (_SIDE + _GAP), _GAP + top * (_SIDE + _GAP)))
    _write_legend(panel, labels)
    panel.save(path)


def _coloured(numbers_HW: np.ndarray) -> Image.Image:
    with Image.open(io.BytesIO(encode_numbers(numbers_HW))) as image:
        return image.convert("RGB")


def _write_legend(panel: Image.Image, labels: Sequence[str]) -> None:
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(13)
    colours = _coloured(np.arange(len(labels) + 1, dtype=np.uint8)[None])
    x, y = _GAP, panel.height - 2 * _LINE + 4
    pen.text((x, y), "rows: sheet, truth, found", fill=_INK, font=font)
    y += _LINE - 2
    for number, label in enumerate(labels, 1):
        colour = colours.getpixel((number, 0))
        pen.rectangle((x, y + 2, x + 12, y + 14), fill=colour)
        pen.text((x + 17, y), label, fill=_INK, font=font)
        x += 30 + int(font.getlength(label))
