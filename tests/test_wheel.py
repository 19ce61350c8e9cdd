"""The wheel holds all that is needed: it works from any folder, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from clipbio.cli import VERBS
from clipbio.config import config_groups

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, seconds: int = 300) -> str:
    """Run a command as a user without settings of ours, who stands in `cwd`; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the backend that pyproject.toml names."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    return next(out.glob("clipbio-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it in a fresh environment, beside the packages of this one, and return that environment's programs."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=True)
    programs = place / "bin"
    # The packages that the wheel asks for, without the checkout: .pth files of a folder named in one are not read.
    site = next(place.glob("lib/*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    return programs


def test_the_wheel_carries_every_config_and_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"clipbio/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    parts = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "clipbio").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert configs | parts <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import clipbio; print(clipbio.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)
    verbs = run(installed / "clipbio", "--help", cwd=tmp_path)
    assert [verb for verb in VERBS if verb not in verbs] == []
    listed = run(installed / "clipbio", "train", "--help", cwd=tmp_path)
    for choice in config_groups()["experiment"]:
        assert choice in listed


def test_it_trains_and_evaluates_from_any_folder(installed: Path, tmp_path: Path) -> None:
    run(
        installed / "clipbio", "train", "experiment=quickstart", "debug=fast", "data.source.num_species=12", "data.source.num_unseen=3", "data.batch_size=32", "run_dir=run",
        f"cache_dir={tmp_path / 'cache'}", "progress=false", cwd=tmp_path,
    )  # fmt: skip
    trained = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "zero_shot/unseen/description/top1" in trained
    run(
        installed / "python", "-m", "clipbio", "evaluate", "checkpoint=run", "run_dir=again",
        f"cache_dir={tmp_path / 'cache'}", cwd=tmp_path,
    )  # fmt: skip
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert again["zero_shot/unseen/description/top1"] == trained["zero_shot/unseen/description/top1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "cache", "run"]
