"""What several tests share: small gardens, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gardens import write_garden

ROOT = Path(__file__).resolve().parents[1]


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
