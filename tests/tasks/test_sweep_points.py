"""Sweeps read back from their folders, and `compare` of one."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import here

from clipbio.errors import ClipbioError
from clipbio.tasks.sweep_points import is_sweep, objective, read_sweep, score

KEY = "zero_shot/val/mean/top1"


def settings(**changed: Any) -> dict[str, Any]:
    weights = changed.pop("weights", {"common": 1, "description": 0})
    text = {"weights": weights, "draw": "sample"}
    return {
        "seed": 0, "optimized_metric": None, "checkpoint": {"monitor": KEY, "mode": "max"}, "optim": {"lr": 1e-3},
        "text": text, "data": {"streams": {"main": {"text": text}}}, "run_dir": "x", **changed,
    }  # fmt: skip


def write_point(
    folder: Path,
    config: dict[str, Any],
    *,
    state: str = "finished",
    value: float = 0.5,
    history: tuple[float, ...] = (),
) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "status.json").write_text(json.dumps({"state": state, "step": 3, "steps": 9, "error": "why"}))
    lines = [json.dumps({"step": step, KEY: one}) for step, one in enumerate(history)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    if state == "finished":
        metrics = {f"zero_shot/{split}/mean/top1{end}": number for split in ("val", "test")
                   for end, number in (("", value), ("/low", value - 0.1), ("/high", value + 0.1), ("/n", 10))}  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics))


def test_points_are_told_by_what_differs_and_ordered_by_validation(tmp_path: Path) -> None:
    write_point(tmp_path / "a", settings(weights={"common": 1, "description": 0}), value=0.4)
    write_point(tmp_path / "b", settings(weights={"common": 1, "description": 3}), value=0.6)
    write_point(
        tmp_path / "c", settings(weights={"common": 0, "description": 1}), state="pruned", history=(0.1, 0.5, 0.3)
    )
    write_point(tmp_path / "d", settings(weights={"common": 2, "description": 2}), state="failed")
    sweep = read_sweep(tmp_path)
    assert [point.name for point in sweep.points] == ["b", "c", "a", "d"]
    assert [dict(point.varied["weights"]) for point in sweep.points[:2]] == [
        {"common": 0.25, "description": 0.75}, {"description": 1.0},
    ]  # fmt: skip
    assert sweep.axes == ("weights",)
    assert sweep.keys == (KEY, "zero_shot/test/mean/top1")
    assert sweep.points[1].value == 0.5
    assert (sweep.points[3].state, sweep.points[3].remark, sweep.points[3].value) == ("failed", "why", None)


def test_with_mode_min_the_least_is_the_best(tmp_path: Path) -> None:
    for name, value in (("a", 0.4), ("b", 0.6)):
        config = settings(seed=len(name), checkpoint={"monitor": KEY, "mode": "min"}, optim={"lr": value})
        write_point(tmp_path / name, config, value=value)
    write_point(
        tmp_path / "c", settings(checkpoint={"monitor": KEY, "mode": "min"}), state="pruned", history=(0.3, 0.1)
    )
    sweep = read_sweep(tmp_path)
    assert [point.name for point in sweep.points] == ["c", "a", "b"]
    assert sweep.best is not None
    assert sweep.best.name == "a"


@pytest.mark.parametrize("split", ["test", "unseen", "val+unseen", "test@all"])
def test_a_test_figure_never_chooses(split: str) -> None:
    with pytest.raises(ClipbioError, match="must not choose"):
        objective(settings(optimized_metric=f"zero_shot/{split}/mean/top1"))


def test_runs_that_are_judged_differently_make_no_table(tmp_path: Path) -> None:
    write_point(tmp_path / "a", settings())
    write_point(tmp_path / "b", settings(optimized_metric="retrieval/val/x/recall@1"))
    with pytest.raises(ClipbioError, match="judged by different figures"):
        read_sweep(tmp_path)


def test_a_run_is_no_sweep(tmp_path: Path) -> None:
    write_point(tmp_path / "sweep" / "a", settings())
    assert is_sweep(tmp_path / "sweep")
    assert not is_sweep(tmp_path / "sweep" / "a")
    assert not is_sweep(tmp_path)
    assert score(tmp_path / "sweep" / "a", settings()) == 0.5


def test_compare_takes_a_sweep_whole_or_with_other_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_point(tmp_path / "sweep" / "a", settings(optim={"lr": 0.1}), value=0.4)
    write_point(tmp_path / "sweep" / "b", settings(optim={"lr": 0.2}), value=0.6)
    write_point(tmp_path / "sweep" / "c", settings(optim={"lr": 0.3}), state="running", history=(0.2,))
    write_point(tmp_path / "other", settings(optim={"lr": 0.4}), value=0.3)
    out = tmp_path / "out"
    status, text, err = here(capsys, "compare", str(tmp_path / "sweep"), f"out={out}")
    assert status == 0, err
    assert "running: step 3 of 9" in text
    assert {path.name for path in out.iterdir()} == {"sweep.md", "sweep.csv", "sweep.json", "sweep.png"}
    status, text, err = here(capsys, "compare", str(tmp_path / "sweep"), str(tmp_path / "other"))
    assert status == 0, err
    assert "sweep/" not in text
    assert [name in text for name in ("a ", "b ", "other")] == [True, True, True]
    status, _, err = here(capsys, "compare", str(tmp_path / "sweep"), "metrics=['nothing/*']")
    assert status == 2
    assert "no figure of these runs is called nothing/*" in err
