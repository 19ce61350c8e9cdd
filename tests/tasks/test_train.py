"""Training and evaluation through the commands, on a garden of coloured pictures."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from faults import until
from forks import Run
from gardens import write_garden
from runs import SMALL, here, lines, losses, run, samples, validations

from clipbio.training.lock import RunLock

Finished = tuple[Path, Path, list[str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of 12 steps on a garden, its folder, the garden and its overrides."""
    base = tmp_path_factory.mktemp("runs")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test", "unseen"))
    overrides = [*SMALL, f"data.root={garden}", f"cache_dir={base / 'cache'}", "duration=12 steps",
                 "model.image.dropout=0.2"]  # fmt: skip
    done = run("train.py", *overrides, f"run_dir={base / 'run'}")
    assert done.returncode == 0, done.stderr
    return base / "run", base, overrides


def test_the_run_folder_holds_what_the_design_says(finished: Finished) -> None:
    folder, _, _ = finished
    for name in ("config.yaml", "run.json", "status.json", "metrics.jsonl", "metrics.json", "report.html", "report.md"):
        assert (folder / name).stat().st_size > 0, name
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt", "best.ckpt"}
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    record = json.loads((folder / "run.json").read_text())
    assert record["exit_status"] == 0
    assert record["data_manifest"]
    metrics = json.loads((folder / "metrics.json").read_text())
    for split, images in (("test", 32), ("unseen", 32), ("val", 3)):
        assert metrics[f"zero_shot/{split}/common/top1/n"] == images
        assert 0 <= metrics[f"zero_shot/{split}/common/top1/low"] <= metrics[f"zero_shot/{split}/common/top1"]
    assert all(isinstance(value, float | int) for value in metrics.values())


def test_losses_temperature_and_learning_rate_are_logged_and_fall(finished: Finished) -> None:
    folder, _, _ = finished
    names = set().union(*(line.keys() for line in lines(folder / "metrics.jsonl")))
    assert {"train/loss", "train/logit_scale", "train/samples_per_second", "train/data_wait"} <= names
    watched = {"duplicates/text", "duplicates/taxon", "effective_rank/image", "gap/image-text", "norm/text"}
    assert {f"monitor/{name}" for name in watched} <= names
    values = losses(folder)
    assert len(values) == 12
    assert sum(values[-3:]) < sum(values[:3])


def test_checkpoints_load_without_unpickling_and_know_their_config(finished: Finished) -> None:
    folder, _, _ = finished
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 12
    assert checkpoint["clipbio"]["format"] == 2
    assert checkpoint["clipbio"]["config"]["data"]["batch_size"] == 8


def test_evaluate_gives_the_metrics_of_the_run_again(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, base, _ = finished
    status, out, err = here(
        capsys, "evaluate", f"checkpoint={folder}", f"run_dir={base / 'out'}", f"cache_dir={base / 'cache'}",
        "splits=[test,unseen]", "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20",
        "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert status == 0, err
    assert str(base / "out" / "report.html") in out
    first, second = (json.loads((path / "metrics.json").read_text()) for path in (folder, base / "out"))
    assert set(second) == {name for name in first if "/val/" not in name}
    assert all(first[name] == pytest.approx(value, abs=1e-6) for name, value in second.items())


def test_a_killed_run_continues_to_the_same_end(finished: Finished) -> None:
    undisturbed, base, overrides = finished
    folder = base / "killed"
    Run(folder, overrides).kill_after(6)
    assert json.loads((folder / "status.json").read_text())["state"] == "running"
    again = Run(folder, [*overrides, "resume=auto"])
    again.finish()
    assert "resumed at step" in again.told
    assert samples(folder) == samples(undisturbed)
    assert losses(folder) == losses(undisturbed)
    assert validations(folder) == validations(undisturbed)
    scores = [json.loads((path / "metrics.json").read_text()) for path in (undisturbed, folder)]
    assert scores[0] == scores[1]
    assert json.loads((folder / "run.json").read_text())["attempts"][-1]["resumed_at"] in range(2, 13, 2)


def test_ctrl_c_leaves_a_checkpoint_that_continues(finished: Finished) -> None:
    undisturbed, base, overrides = finished
    folder = base / "interrupted"
    interrupted = Run(folder, [*overrides, "checkpoint.every=12 steps"])
    until(lambda: interrupted.steps >= 3, interrupted)
    os.kill(interrupted.processes[0].pid or 0, signal.SIGINT)
    assert interrupted.codes() == [130], interrupted.told
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert "Traceback" not in interrupted.told
    Run(folder, [*overrides, "checkpoint.every=12 steps", "resume=auto"]).finish()
    assert samples(folder) == samples(undisturbed)
    assert validations(folder) == validations(undisturbed)


def test_resume_refuses_another_config_and_leaves_a_finished_run_alone(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, overrides = finished
    status, _, err = here(capsys, "train", *overrides, f"run_dir={folder}", "resume=auto", "optim.lr=0.25")
    assert status == 2
    assert "optim.lr: 0.0005 -> 0.25" in err
    status, out, _ = here(capsys, "train", *overrides, f"run_dir={folder}", "resume=auto")
    assert status == 0
    assert "finished" in out
    status, _, err = here(capsys, "train", *overrides, f"run_dir={folder}")
    assert status == 2
    assert "resume=auto" in err


def test_a_refused_run_leaves_no_folder_and_takes_none_away(
    finished: Finished, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, base, overrides = finished
    folder = base / "contested"
    assert here(capsys, "train", *overrides, f"run_dir={folder}", "resume=must")[0] == 2
    assert not folder.exists()
    acquire = RunLock.acquire

    def late(self: RunLock) -> None:
        """Another run has come and gone between the look at the folder and its lock."""
        shutil.copytree(undisturbed, folder, dirs_exist_ok=True)
        (folder / "status.json").write_text('{"state": "failed"}')
        acquire(self)

    monkeypatch.setattr(RunLock, "acquire", late)
    status, _, err = here(capsys, "train", *overrides, f"run_dir={folder}", "resume=auto", "optim.lr=0.25")
    assert status == 2
    assert "optim.lr: 0.0005 -> 0.25" in err
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_two_processes_see_and_learn_the_same(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    _, base, overrides = finished
    one, folder = base / "one", base / "two"
    # Dropout belongs to a process.
    overrides = [*overrides, "model.image.dropout=0"]
    status, _, err = here(capsys, "train", *overrides, f"run_dir={one}")
    assert status == 0, err
    done = run(
        "train.py", *overrides, f"run_dir={folder}", "trainer=ddp", "trainer.accelerator=cpu",
        "trainer.precision=32-true", processes=2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert samples(folder) == samples(one)
    assert losses(folder) == pytest.approx(losses(one), rel=1e-4)
    first, second = (json.loads((path / "metrics.json").read_text()) for path in (one, folder))
    counts = [name for name in first if name.endswith("/n")]
    assert counts
    assert {name: first[name] for name in counts} == {name: second[name] for name in counts}


def test_a_batch_that_cannot_be_divided_is_refused(finished: Finished) -> None:
    _, base, overrides = finished
    odd = Run(base / "odd", [*overrides, "data.batch_size=7"], processes=2)
    assert odd.codes() == [2, 2], odd.told
    assert "batch_size=7 is the global batch and cannot be divided by 2 processes" in odd.told
