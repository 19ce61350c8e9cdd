"""A sweep on wandb: one run for each job, in a group named by the sweep's folder."""

from pathlib import Path

import pytest
from gardens import write_garden
from runs import SMALL, here, lines
from wandb_files import offline_run


def test_each_job_of_a_sweep_is_a_run_of_its_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    garden = write_garden(tmp_path / "garden", species=4, per_species=4, splits=("train", "test"))
    overrides = [*SMALL, f"data.root={garden}", f"cache_dir={tmp_path / 'cache'}", "duration=2 steps",
                 "validation.every=2 steps", "logger=offline", f"run_dir={tmp_path / 'ablation'}"]  # fmt: skip
    status, _, err = here(capsys, "train", "-m", *overrides, "seed=0,1")
    assert status == 0, err
    folders = [path.parent for path in (tmp_path / "ablation").glob("*/metrics.json")]
    found = [offline_run(folder) for folder in folders]
    assert len({one.run.run_id for one in found}) == 2
    assert {one.run.run_group for one in found} == {"ablation"}
    assert {one.config["seed"] for one in found} == {0, 1}
    for one, folder in zip(found, folders, strict=True):
        assert one.exit_code == 0
        assert "zero_shot/test/mean/top1" in one.summary
        assert one.steps == sorted({line["step"] for line in lines(folder / "metrics.jsonl")})
