"""What several tests share: small gardens, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from gardens import write_garden
from hypothesis import settings
from tables import MakeTable, Row, encoded, write_csv

ROOT = Path(__file__).resolve().parents[1]

# The same examples each time: a suite that fails only sometimes helps nobody. New ones: --hypothesis-profile=default.
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

# Before torch is imported: a process that a test forks has not the threads of a pool, and waits for them for ever.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder with real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("CLIPBIO_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set CLIPBIO_SHARED)")
    return folder


@pytest.fixture
def make_garden(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a garden (see `write_garden`) into a folder of this test."""

    def make(name: str = "garden", **settings: Any) -> Path:
        return write_garden(tmp_path / name, **settings)

    return make


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
