"""Small specimen tables, made for the test that asks for them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Give a function that writes a specimen table with its images and side tables, and returns its folder."""

    def make(rows: Sequence[Row], name: str = "table", **side_tables: Any) -> Path:
        root = tmp_path / name
        (root / "images").mkdir(parents=True)
        write_csv(root / "specimens.csv", rows)
        for number, row in enumerate(rows):
            if row.get("image", "").startswith("images/"):
                (root / row["image"]).write_bytes(encoded(number))
        for stem, side in side_tables.items():
            write_csv(root / f"{stem}.csv", side)
        return root

    return make


@pytest.fixture
def shared_data() -> Path:
    """Give the folder of real data, or skip."""
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("CLIPBIO_SHARED", default)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set CLIPBIO_SHARED")
    return folder
