"""Sweeps of small runs: interrupted, continued, with failures, and searched by a study."""

import json
import os
import signal
import time
from pathlib import Path

import optuna
import pytest
from forks import Run
from gardens import write_garden
from runs import SMALL, here, lines

from clipbio.config import compose, config_dir, plain
from clipbio.studies import distribution, open_study
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

    runs = ",".join(str(path.parent) for path in sorted((tmp_path / "sweep").glob("*/config.yaml")))
    evaluate = ["-m", f"checkpoint={runs}", "splits=[test]", "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20",
                "benchmark.zero_shot.permutations=0", f"run_dir={tmp_path / 'judged'}"]  # fmt: skip
    assert here(capsys, "evaluate", *evaluate)[0] == 0
    first, second = sorted((tmp_path / "judged").glob("*/status.json"))
    # One is done; the other left as a job that was preempted leaves it.
    second.unlink()
    done = first.stat().st_mtime_ns
    status, out, err = here(capsys, "evaluate", *evaluate)
    assert status == 0, err
    assert out.count("finished before") == 1
    assert (first.stat().st_mtime_ns, second.exists()) == (done, True)


def test_settings_that_make_no_other_run_are_not_swept(
    overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = here(capsys, "train", "-m", *overrides, "micro_batch_size=4,8", "run_dir=none")
    assert status == 2
    assert "micro_batch_size has several values, but does not decide what is computed" in err


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


def test_ctrl_c_ends_the_whole_sweep_and_the_same_command_continues_it(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    command = ["-m", *overrides, "duration=40 steps", "validation.every=20 steps", "optim.lr=1e-3,1e-4,1e-5"]
    forked = Run(folder, command)
    try:
        interrupt_second(forked, folder)
        forked.processes[0].join(120)
        assert forked.processes[0].exitcode == 130, forked.errors.read_text()[-2000:]
    finally:
        forked.kill()
    assert states(folder) == ["finished", "interrupted"]
    assert "1 of 3 points are finished" in forked.errors.read_text()
    status, out, err = here(capsys, "train", *command, f"run_dir={folder}")
    assert status == 0, err
    assert "1 of 3 · optim.lr=0.001: finished before" in out
    assert "2 of 3 · optim.lr=0.0001: interrupted before: goes on from its checkpoint" in out
    assert "3 of 3 · optim.lr=1e-05: starts" in out
    assert states(folder) == ["finished"] * 3
    for run in folder.glob("*/config.yaml"):
        steps = [line["step"] for line in lines(run.parent / "samples" / "rank-0.jsonl")]
        assert steps == list(range(40))


def interrupt_second(forked: Run, folder: Path) -> None:
    """Send SIGINT while the second point is in the middle of its steps."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert forked.processes[0].is_alive(), forked.errors.read_text()[-2000:]
        running = list(folder.glob("*/samples/rank-0.jsonl"))
        if len(running) == 2 and min(path.read_bytes().count(b"\n") for path in running) >= 5:
            os.kill(forked.processes[0].pid or 0, signal.SIGINT)
            return
        time.sleep(0.002)
    raise AssertionError("the second point never came")


# -- searches ---------------------------------------------------------------------------------------------------------


def search(folder: Path, overrides: list[str], *more: str) -> list[str]:
    return [*overrides, "sweep=temperature_lr", "hydra.sweeper.trials=3", "validation.every=1 steps", *more,
            f"run_dir={folder}"]  # fmt: skip


def test_a_search_begins_with_what_was_left_open_and_ends_at_its_count(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    study = open_study(folder / "study.journal", mode="max")
    left = {"optim.lr": 0.005, "loss.temperature": 0.1}
    study.enqueue_trial(left)
    study.ask({key: distribution(key, {"low": 1e-4, "high": 1.0, "log": True}) for key in left})
    command = search(folder, overrides, "hydra.sweeper.prune=null")
    status, out, err = here(capsys, "train", *command)
    assert status == 0, err
    assert "1 of 3 · optim.lr=0.005 loss.temperature=0.1: starts" in out
    trials = open_study(folder / "study.journal", mode="max").trials
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.COMPLETE] * 3
    assert trials[0].params == left
    assert len(list(folder.glob("*/metrics.json"))) == 3
    best = json.loads((folder / "sweep.json").read_text())["points"][0]
    assert best["best_validation"] == max(trial.value for trial in trials)
    before = (folder / "study.journal").read_bytes()
    status, out, err = here(capsys, "train", *command)
    assert status == 0, err
    assert ": starts" not in out
    assert (folder / "study.journal").read_bytes() == before


def test_points_below_the_others_are_pruned_and_stay_so(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    study = open_study(folder / "study.journal", mode="max")
    space = {
        key: distribution(key, {"low": 1e-4, "high": 1.0, "log": True}) for key in ("optim.lr", "loss.temperature")
    }
    # Better than anything can be, at every percent of the run.
    study.add_trial(
        optuna.trial.create_trial(
            params=dict.fromkeys(space, 0.01), distributions=space, value=2.0,
            intermediate_values=dict.fromkeys(range(101), 2.0),
        )
    )  # fmt: skip
    command = search(folder, overrides, "hydra.sweeper.prune={runs: 1, percent: 10}")
    status, out, err = here(capsys, "train", *command)
    assert status == 0, err
    assert "pruned, worse than others at step 1 of 2" in out
    assert states(folder) == ["pruned", "pruned"]
    trials = open_study(folder / "study.journal", mode="max").trials[1:]
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.PRUNED] * 2
    assert all(list(trial.intermediate_values) == [50] for trial in trials)
    assert "| pruned: step 1 of 2 |" in (folder / "sweep.md").read_text()
    assert not list(folder.glob("*/metrics.json"))


def test_a_search_of_nothing_is_refused(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = search(tmp_path / "sweep", overrides, "optim.lr=0.1", "loss.temperature=0.1")
    status, _, err = here(capsys, "train", *command)
    assert status != 0
    assert "nothing is searched for" in err
