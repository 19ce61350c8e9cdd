"""Small specimen tables, made for the test that asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tables import MakeTable, Row, encoded, write_csv


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
def shared_data(shared: Path) -> Path:
    """Give the folder of real data, or skip."""
    return shared / "data"
