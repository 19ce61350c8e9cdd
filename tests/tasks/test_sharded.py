"""`trainer=fsdp` on two processes: the run of one process, with its checkpoints."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from gardens import write_garden
from runs import ROOT, SMALL, command, here, losses, run, samples, validations

SHARDED = ("trainer=fsdp", "trainer.accelerator=cpu", "trainer.precision=32-true")
Finished = tuple[Path, Path, list[str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A sharded run of 8 steps, the folder around it, and its overrides."""
    base = tmp_path_factory.mktemp("sharded")
    # Odd sizes: processes evaluate unequal numbers of batches.
    garden = write_garden(base / "garden", species=3, per_species=8, splits=("train", "test"))
    overrides = [*SMALL, f"data.root={garden}", f"cache_dir={base / 'cache'}", "duration=8 steps",
                 "validation.every=4 steps", "data.evaluation_batch_size=5", "trainer.gradient_clip_val=0.1"]  # fmt: skip
    done = run("train.py", *overrides, *SHARDED, f"run_dir={base / 'run'}", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    return base / "run", base, overrides


@pytest.mark.slow
def test_a_sharded_run_equals_that_of_one_process(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, base, overrides = finished
    status, _, err = here(capsys, "train", *overrides, f"run_dir={base / 'one'}")
    assert status == 0, err
    assert samples(folder) == samples(base / "one")
    assert losses(folder) == pytest.approx(losses(base / "one"), rel=1e-4)
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={folder}", f"run_dir={base / 'out'}", f"cache_dir={base / 'cache'}",
        "splits=[test]", "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20",
        "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert status == 0, err
    first, second = (json.loads((path / "metrics.json").read_text()) for path in (folder, base / "out"))
    assert second
    assert all(first[name] == pytest.approx(value, abs=1e-6) for name, value in second.items())


@pytest.mark.slow
def test_a_stopped_run_continues_sharded_and_on_one_process(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed, base, overrides = finished
    folder = base / "stopped"
    process = subprocess.Popen(
        command("train.py", *overrides, *SHARDED, "checkpoint.every=8 steps", f"run_dir={folder}", processes=2),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log, deadline = folder / "samples" / "rank-0.jsonl", time.monotonic() + 300
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().splitlines()) < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=200)
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    shutil.copytree(folder, base / "alone")
    every = "checkpoint.every=8 steps"
    done = run("train.py", *overrides, *SHARDED, every, f"run_dir={folder}", "resume=must", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert samples(folder) == samples(undisturbed)
    assert losses(folder) == losses(undisturbed)
    assert validations(folder) == validations(undisturbed)
    (base / "alone" / "samples" / "rank-1.jsonl").unlink()
    status, _, err = here(capsys, "train", *overrides, every, f"run_dir={base / 'alone'}", "resume=must")
    assert status == 0, err
    assert losses(base / "alone") == pytest.approx(losses(undisturbed), rel=1e-4)


@pytest.mark.parametrize("setting", ["compile=true", "trainer.precision=64-true"])
def test_what_sharding_cannot_do_is_refused(setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = here(
        capsys, "train", *SMALL, f"data.root={tmp_path}", f"run_dir={tmp_path / 'run'}", *SHARDED, "trainer.devices=1",
        setting,
    )  # fmt: skip
    assert status == 2
    assert setting.partition("=")[0] in err
    assert "trainer=fsdp" in err
