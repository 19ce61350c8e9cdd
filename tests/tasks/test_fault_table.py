"""Each row of the table in docs/survival.md: what goes wrong, and in which state it leaves a run."""

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest
import torch
from faults import status, until
from forks import Run
from gardens import write_garden
from runs import SMALL, lines, losses, samples

STEPS = 8


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A short run with a checkpoint at every second step and no evaluation."""
    base = tmp_path_factory.mktemp("faults")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test"))
    given = [*(item for item in SMALL if not item.startswith("benchmark")), f"data.root={garden}", "benchmark=[]",
             f"cache_dir={base / 'cache'}", f"duration={STEPS} steps", "validation.benchmarks=[]",
             "validation.every=100 percent", "monitors=null", "data.worker_context=fork"]  # fmt: skip
    return given


@pytest.fixture(scope="module")
def reference(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing befalls."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    Run(folder, overrides, processes=2).finish()
    return folder


def last_line(run: Run) -> str:
    """Return the one line that tells the user, which is no traceback."""
    assert "Traceback" not in run.told, run.told
    return [line for line in run.told.splitlines() if line.startswith("clipbio: ")][-1]


def goes_on(run: Run, overrides: list[str], reference: Path, *, processes: int = 1, same: bool = True) -> None:
    """Continue a run to a good end, with what an undisturbed one has."""
    Run(run.folder, [*overrides, "resume=auto"], processes=processes).finish()
    assert status(run.folder)["state"] == "finished"
    if same:
        assert [ids for _, ids in samples(run.folder)] == [ids for _, ids in samples(reference)]
        assert losses(run.folder) == pytest.approx(losses(reference), rel=1e-4)


def test_a_disk_that_is_full_when_a_checkpoint_is_written(
    overrides: list[str], reference: Path, tmp_path: Path
) -> None:
    # Not in the background: the step at which the disk is full is then known.
    given = [*overrides, "checkpoint.asynchronous=false"]
    run = Run(tmp_path / "run", given, processes=2, before=[("small_files", 1_000_000, 3)])
    assert run.codes()[0] == 1
    assert "last.ckpt cannot be written" in run.told
    left = status(run.folder)
    assert (left["state"], left["checkpoint"]) == ("failed", 2)
    assert [path.name for path in (run.folder / "checkpoints").iterdir()] == ["last.ckpt"]
    goes_on(run, overrides, reference, processes=2)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_the_last_checkpoint_is_damaged(damage: str, overrides: list[str], reference: Path, tmp_path: Path) -> None:
    # Written at once: two checkpoints are there after five steps.
    run = Run(tmp_path / "run", [*overrides, "checkpoint.asynchronous=false"], processes=2)
    run.kill_after(5)
    last = run.folder / "checkpoints" / "last.ckpt"
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    goes_on(run, overrides, reference, processes=2)
    assert "continuing from the checkpoint before it, step 2" in " ".join(run.told.split())


def test_a_disk_that_is_full_when_a_log_is_written(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = Run(folder, overrides, before=[("full_log", 3)])
    assert run.codes() == [1]
    assert last_line(run).endswith("cannot be written: No space left on device; make room, then go on with resume=auto")
    assert status(folder)["state"] == "failed"
    (folder / "metrics.jsonl").unlink()
    (folder / "metrics.kept").rename(folder / "metrics.jsonl")
    # The line that could not be written is lost, and nothing else.
    goes_on(run, overrides, reference, same=False)
    assert [ids for _, ids in samples(folder)] == [ids for _, ids in samples(reference)]
    assert len(losses(reference)) - len(losses(folder)) in (0, 1)


def test_a_status_that_cannot_be_written(overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, before=[("full_status", 2), ("slow_steps", 2.0)])
    assert run.codes() == [1]
    assert "cannot be written: No space left on device" in last_line(run)


def test_a_data_worker_is_killed(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", [*overrides, "data.num_workers=1"], before=[("kill_worker", 3)])
    assert run.codes() == [1]
    assert "a data worker (process " in last_line(run)
    assert "it is killed by signal: Killed" in last_line(run)
    assert status(run.folder)["state"] == "failed"
    goes_on(run, overrides, reference)


def test_a_loss_that_is_not_finite_ends_the_run_before_it_does_harm(overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, processes=2, before=[("poison", [3])])
    assert run.codes() == [1, 1]
    assert "step 3: the loss is not finite (lr " in last_line(run)
    assert "logit scale " in last_line(run)
    assert (status(run.folder)["state"], status(run.folder)["checkpoint"]) == ("diverged", 2)
    weights = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(bool(one.isfinite().all()) for one in weights.values())


def test_some_steps_may_be_left_out(overrides: list[str], tmp_path: Path) -> None:
    given = [*overrides, "max_nonfinite_steps=2"]
    run = Run(tmp_path / "run", given, processes=2, before=[("poison", [3, 5])])
    run.finish()
    counted = [line["train/nonfinite_steps"] for line in lines(run.folder / "metrics.jsonl")
               if "train/nonfinite_steps" in line]  # fmt: skip
    assert counted == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert status(run.folder)["state"] == "finished"
    again = Run(tmp_path / "more", [*overrides, "max_nonfinite_steps=1"], processes=2, before=[("poison", [3, 5])])
    assert again.codes() == [1, 1]
    assert status(again.folder)["state"] == "diverged"
    assert "step 5: " in status(again.folder)["error"]


@pytest.mark.parametrize("seconds", [-400 * 86400.0, 400 * 86400.0])
def test_the_clock_jumps(seconds: float, overrides: list[str], reference: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, processes=2, before=[("jumping_clock", seconds, 3), ("slow_steps", 0.1)])
    run.finish()
    assert samples(run.folder) == samples(reference)
    assert losses(run.folder) == losses(reference)
    attempt = json.loads((run.folder / "run.json").read_text())["attempts"][-1]
    assert 0 < attempt["seconds"] < 300
    speeds = [line["train/samples_per_second"] for line in lines(run.folder / "metrics.jsonl")
              if "train/samples_per_second" in line]  # fmt: skip
    assert all(0 < speed < 1e5 for speed in speeds)
    assert status(run.folder)["state"] == "finished"


def test_a_run_folder_that_cannot_be_written(overrides: list[str]) -> None:
    # Not in pytest's own folder, which nobody but its user may enter.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(place, "run")
        folder.mkdir(mode=0o555)
        run = Run(folder, overrides, before=[("nobody",)])
        assert run.codes() == [2]
        assert last_line(run) == f"clipbio: run_dir={folder} cannot be written: Permission denied"
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("resume", ["never", "auto"])
def test_two_runs_on_one_folder(resume: str, overrides: list[str], reference: Path, tmp_path: Path) -> None:
    first = Run(tmp_path / "run", overrides, before=[("slow_steps", 1.0)])
    until(lambda: first.steps >= 1, first)
    second = Run(first.folder, [*overrides, f"resume={resume}"], before=[("patience", 0.5)])
    assert second.codes() == [2]
    assert f"is in use by another run: process {first.processes[0].pid} on " in last_line(second)
    first.finish()
    assert losses(first.folder) == pytest.approx(losses(reference), rel=1e-4)
    assert status(first.folder)["attempt"] == 1


def test_a_run_waits_for_its_dying_predecessor(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    first = Run(tmp_path / "run", overrides, before=[("slow_steps", 0.5)])
    until(lambda: first.steps >= 3, first)
    second = Run(first.folder, [*overrides, "resume=auto"])
    until(lambda: first.steps >= 5, first)
    first.kill()
    second.finish()
    assert [ids for _, ids in samples(first.folder)] == [ids for _, ids in samples(reference)]


@pytest.mark.parametrize("who", [0, 1])
def test_a_process_of_a_group_is_killed(who: int, overrides: list[str], reference: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, processes=2, before=[("die_in_step", who, 3)])
    codes = run.codes()
    assert codes[who] == -signal.SIGKILL
    assert codes[1 - who] == 1
    assert f"clipbio: a process of the run was lost: process {1 - who} of 2 waited for it in " in run.told
    # With the main process went the one that writes.
    assert status(run.folder)["state"] == ("running" if who == 0 else "failed")
    goes_on(run, overrides, reference, processes=2)


def test_torchrun_ends_the_others_when_a_process_is_killed(overrides: list[str], tmp_path: Path) -> None:
    """A signal that follows a loss is no request to stop: nothing was saved, and a retry without an end would be bad."""
    run = Run(tmp_path / "run", overrides, processes=2, before=[("die_in_step", 1, 3)])
    run.processes[1].join(300)
    os.kill(run.processes[0].pid or 0, signal.SIGTERM)
    assert run.codes() == [1, -signal.SIGKILL], run.told
    assert status(run.folder)["state"] == "failed"
    assert "a process of the run was lost" in status(run.folder)["error"]


@pytest.mark.parametrize("who", [0, 1])
def test_a_process_that_fails_takes_the_others_along(who: int, overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, processes=2, before=[("fail_in_step", who, 3)])
    assert run.codes() == [1, 1], run.told
    assert "another process of the run failed: its own output says why" in run.told
    assert status(run.folder)["state"] == "failed"


def test_a_collective_that_hangs(overrides: list[str], reference: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", [*overrides, "hang_after=6 seconds"], processes=2, before=[("hang_in_step", 1, 3)])
    assert run.codes() == [70, 70], run.told
    assert status(run.folder)["state"] == "hung"
    assert "nothing has happened for hang_after=6 s while training" in status(run.folder)["error"]
    stacks = {rank: (run.folder / "stacks" / f"rank-{rank}.txt").read_text() for rank in (0, 1)}
    assert "faults.py" in stacks[1]
    assert "distributed" in stacks[0] or "backward" in stacks[0]
    goes_on(run, overrides, reference, processes=2)
