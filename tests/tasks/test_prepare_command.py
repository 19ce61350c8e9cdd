"""`prepare` as a command, in parts and by several jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipbio.cli import main

SOURCE = ["source=virtual", "source.num_species=12", "source.num_unseen=6", "source.specimens_per_species=4"]
SMALL = [*SOURCE, "source.image_size=32", "options.samples_per_shard=5", "progress=false"]


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def serial(tmp_path: Path) -> dict[str, bytes]:
    assert main(["prepare", *SMALL, f"out={tmp_path / 'serial'}"]) == 0
    return files_of(tmp_path / "serial")


def test_a_multirun_and_a_merge_give_the_serial_folder(
    tmp_path: Path, serial: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    out = f"out={tmp_path / 'parts'}"
    assert main(["prepare", "-m", *SMALL, out, "parts=3", "part=range(0,3)"]) == 0
    assert main(["prepare", *SMALL, out, "parts=3", "part=merge"]) == 0
    assert files_of(tmp_path / "parts") == serial
    assert "72 of 72 records kept" in capfd.readouterr().out
    assert main(["prepare", *SMALL, f"out={tmp_path / 'all'}", "parts=2"]) == 0
    assert files_of(tmp_path / "all") == serial


def test_a_failing_job_fails_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "-m", *SMALL, f"out={tmp_path / 'out'}", "parts=2", "part=1,2,0"]) == 1
    told = capfd.readouterr()
    assert "part=2 must lie between 0 and 1" in told.err
    assert "part 0 of 2 is whole" in told.out
    assert main(["prepare", *SMALL, f"out={tmp_path / 'out'}", "parts=2", "part=all"]) == 2
    assert "part=all must be a number from 0 to 1, 'merge', or null" in capfd.readouterr().err


@pytest.mark.slow
def test_jobs_of_a_launcher_at_the_same_time(tmp_path: Path, serial: dict[str, bytes]) -> None:
    command = [sys.executable, "-m", "clipbio", "prepare"]
    settings = [*SMALL, f"out={tmp_path / 'parts'}", "parts=4"]
    jobs = [*command, "-m", *settings, "hydra/launcher=joblib"]
    assert subprocess.run([*jobs, "part=0,4"], cwd=tmp_path, check=False).returncode == 1
    subprocess.run([*jobs, "part=range(0,4)"], cwd=tmp_path, check=True)
    subprocess.run([*command, *settings, "part=merge"], cwd=tmp_path, check=True)
    assert files_of(tmp_path / "parts") == serial
