"""The benchmark of the data stream runs at a tiny size and prints the lines of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_lines import check, lines

SMALL = ("--runs=1", "--steps=1", "--warmup=1", "--workers=1", "--batch-size=2", "--image-size=32")


@pytest.mark.slow
def test_loaders_and_memory() -> None:
    pytest.importorskip("pandas", reason="open_clip's loader needs pandas")
    sheets, memory = lines(
        "data.py", "data/sheet_4000px", "data/memory", *SMALL, "--sheets=8", "--sheet-width=300", "--memory-samples=600"
    )
    check(sheets, "data/sheet_4000px", "samples/s", less_is_better=False)
    for key in ("cpu_ms_per_sample", "first_batch_seconds", "memory_mib", "resume_seconds", "runs"):
        assert len(sheets[key]) == 2
    assert min(*sheets["first_batch_seconds"], *sheets["memory_mib"], *sheets["resume_seconds"]) > 0
    assert (memory["name"], memory["unit"]) == ("data/memory", "MiB")
    assert len(memory["memory_mib"]) == 10
    assert memory["ours"] == memory["memory_mib"][-1]
    assert memory["ratio"] == pytest.approx(memory["peer"] / memory["ours"], rel=2e-3)


@pytest.mark.slow
def test_photos_and_writing(shared: Path) -> None:
    pytest.importorskip("pandas", reason="open_clip's loader needs pandas")
    birds, leeds, written = lines(
        "data.py", "data/photo_256px", "data/photo_500px", "data/prepare", *SMALL, f"--shared={shared}", "--limit=24"
    )
    check(birds, "data/photo_256px", "samples/s", less_is_better=False)
    check(leeds, "data/photo_500px", "samples/s", less_is_better=False)
    assert 30 < leeds["image_kb"] < 70
    assert (written["name"], written["unit"]) == ("data/prepare", "samples/s")
    assert written["peer_name"].startswith("tarfile")
    assert written["ratio"] == pytest.approx(written["ours"] / written["peer"], rel=2e-3)
