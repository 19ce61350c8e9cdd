"""Rows and pictures of small specimen tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PICA = {
    "kingdom": "Animalia",
    "phylum": "Chordata",
    "class": "Aves",
    "order": "Passeriformes",
    "family": "Corvidae",
    "genus": "Pica",
    "species": "hudsonia",
}
Row = dict[str, str]
MakeTable = Callable[..., Path]


def encoded(seed: int, image_format: str = "JPEG", *, size: tuple[int, int] = (24, 16), mode: str = "RGB") -> bytes:
    """Return an encoded image of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, image_format)
    return buffer.getvalue()


def rows_of(count: int, **more: str) -> list[Row]:
    """Return rows of a table with one image each."""
    return [{"specimen_id": f"bird-{i}", "image": f"images/{i}.jpg", **PICA, **more} for i in range(count)]


def write_csv(path: Path, rows: Sequence[Row], *, delimiter: str = ",") -> None:
    """Write rows with the columns of the first one."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
