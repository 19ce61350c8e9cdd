"""Sweeps of small runs: interrupted, continued, with failures, and searched by a study."""

import json
from pathlib import Path

import pytest
from gardens import write_garden
from runs import SMALL, here

from clipbio.config import compose, config_dir, plain
from clipbio.training.validity import check_config

SWEEPS = sorted(path.stem for path in (config_dir() / "sweep").glob("*.yaml"))


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Runs of two steps on a garden."""
    base = tmp_path_factory.mktemp("sweeps")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test"))
    return [
        *SMALL,
        f"data.root={garden}",
        f"cache_dir={base / 'cache'}",
        "duration=2 steps",
        "validation.every=2 steps",
    ]


def states(folder: Path) -> list[str]:
    return sorted(json.loads(path.read_text())["state"] for path in folder.glob("*/status.json"))


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_composes_and_each_point_fits_its_constructors(name: str) -> None:
    shared = ["experiment=mixed", "data.root=.", "model.image.weights=null"]
    lora = ["model.image.unlocked=2"] if name == "lora_rank" else []
    config = compose("train", [*shared, *lora, f"sweep={name}"])
    check_config(plain(config))
    text = (config_dir() / "sweep" / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    assert f"python train.py sweep={name} " in text


def test_points_have_folders_and_one_table_and_the_same_command_skips_them(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-m", *overrides, "text=common,taxonomic", f"run_dir={tmp_path / 'sweep'}"]
    status, out, err = here(capsys, "train", *command)
    assert status == 0, err
    assert "1 of 2 · text=common: starts" in out
    assert "2 of 2 · text=taxonomic: finished, zero_shot/val/mean/top1 0." in out
    assert {path.name for path in (tmp_path / "sweep").glob("sweep.*")} == {
        "sweep.md", "sweep.csv", "sweep.json", "sweep.png",
    }  # fmt: skip
    table = (tmp_path / "sweep" / "sweep.md").read_text()
    assert "| common |" in table
    assert "| taxonomic |" in table
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("*/*.json")}
    status, out, err = here(capsys, "train", *command)
    assert status == 0, err
    assert "1 of 2 · text=common: finished before, zero_shot/val/mean/top1 0." in out
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_failing_point_leaves_the_others_alone_and_is_tried_again(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-m", *overrides, "data.batch_size=4000,8", f"run_dir={tmp_path / 'sweep'}"]
    for attempt, told in enumerate(("starts", "failed before: starts anew")):
        status, out, err = here(capsys, "train", *command)
        assert status == 1
        assert f"1 of 2 · data.batch_size=4000: {told}" in out
        assert "failed: data.batch_size=4000 is larger than" in err
        assert "1 of the jobs failed" in err
        assert states(tmp_path / "sweep") == ["failed", "finished"]
        assert ("2 of 2 · data.batch_size=8: finished before" in out) == bool(attempt)
    assert "failed: ClipbioError" in (tmp_path / "sweep" / "sweep.md").read_text()
