"""Signals end a run in bounded time, all processes at the same step, with exit codes that say what to do next."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from faults import status, until
from forks import Run
from gardens import write_garden
from runs import SMALL, lines, losses, samples

STEPS = 8


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run of few steps that leaves a checkpoint at the end alone."""
    base = tmp_path_factory.mktemp("signals")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test"))
    return [*(item for item in SMALL if not item.startswith("benchmark")), f"data.root={garden}", f"cache_dir={base / 'cache'}", f"duration={STEPS} steps", "benchmark=[]",
            "validation.every=100 percent", "validation.benchmarks=[]", "checkpoint.every=100 percent",
            "monitors=null", "data.worker_context=fork"]  # fmt: skip


@pytest.fixture(scope="module")
def reference(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    Run(folder, overrides, processes=2).finish()
    return folder


def stopped(run: Run, *numbers: int, ranks: Sequence[int] = (0, 1), after: int = 3) -> list[int | None]:
    """Signal a run that has done some steps, and return the exit codes."""
    until(lambda: run.steps >= after, run)
    for rank, number in zip(ranks, numbers, strict=False):
        os.kill(run.processes[rank].pid, number)
    return run.codes()


@pytest.mark.parametrize(
    ("numbers", "ranks", "code", "state"),
    [
        ([signal.SIGTERM, signal.SIGTERM], (0, 1), 75, "interrupted"),
        ([signal.SIGUSR1], (1,), 75, "preempted"),
    ],
)
def test_all_processes_stop_at_the_same_step_and_go_on(
    numbers: list[int], ranks: tuple[int, ...], code: int, state: str, overrides: list[str], reference: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    run = Run(tmp_path / "run", overrides, processes=2, before=[("slow_steps", 0.2)])
    assert stopped(run, *numbers, ranks=ranks) == [code, code], run.told
    left = status(run.folder)
    counts = {len(lines(path)) for path in (run.folder / "samples").glob("rank-*.jsonl")}
    assert counts == {left["step"]} == {left["checkpoint"]}
    assert 3 <= left["step"] < STEPS
    assert left["state"] == state
    assert "Traceback" not in run.told
    again = Run(run.folder, [*overrides, "resume=auto"], processes=2)
    again.finish()
    assert samples(run.folder) == samples(reference)
    assert losses(run.folder) == losses(reference)
    assert status(run.folder)["attempt"] == 2


def test_workers_do_not_hear_what_is_sent_to_the_whole_group(overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", [*overrides, "data.num_workers=2"], before=[("own_group",), ("slow_steps", 0.2)])
    until(lambda: run.steps >= 3, run)
    os.killpg(run.processes[0].pid, signal.SIGTERM)
    assert run.codes() == [75], run.told
    assert status(run.folder)["checkpoint"] == run.steps


def test_ctrl_c_twice_stops_at_once(overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, before=[("slow_steps", 3.0)])
    until(lambda: run.steps >= 1, run)
    os.kill(run.processes[0].pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(run.processes[0].pid, signal.SIGINT)
    assert run.codes() == [130], run.told
    left = status(run.folder)
    assert (left["state"], left["checkpoint"]) == ("interrupted", None)


def test_a_step_that_takes_longer_than_the_grace_is_not_waited_for(overrides: list[str], tmp_path: Path) -> None:
    given = [*overrides, "checkpoint.every=1 steps", "checkpoint.grace=1.5"]
    run = Run(tmp_path / "run", given, before=[("stuck_step", 2)])
    until(lambda: (run.folder / "stuck").exists(), run)
    began = time.monotonic()
    assert stopped(run, signal.SIGTERM, after=2) == [75], run.told
    assert time.monotonic() - began < 10
    left = status(run.folder)
    assert (left["state"], left["checkpoint"]) == ("interrupted", 2)
    assert "not ready within checkpoint.grace=1.5 s" in run.told


@pytest.mark.parametrize("phase", ["encoding", "evaluating"])
def test_outside_of_training_a_signal_ends_the_run_at_once(phase: str, overrides: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path / "run", overrides, processes=2, before=[("sleep_in", phase, 60.0)])
    until(lambda: len(list(run.folder.glob("sleeping-*"))) == 2, run)
    began = time.monotonic()
    os.kill(run.processes[1].pid, signal.SIGTERM)
    assert run.codes() == [75, 75], run.told
    assert time.monotonic() - began < 20
    assert status(run.folder)["state"] == "interrupted"
    assert status(run.folder)["phase"] == phase


def test_a_job_of_slurm_is_put_back_into_the_queue_when_its_checkpoint_is_whole(
    overrides: list[str], tmp_path: Path
) -> None:
    stub = tmp_path / "bin" / "scontrol"
    stub.parent.mkdir()
    run_folder = tmp_path / "run"
    stub.write_text(f'#!/bin/sh\necho "$@" "$(ls {run_folder}/checkpoints)" >> {tmp_path}/asked\n')
    stub.chmod(0o755)
    slurm = ("environment", {"SLURM_JOB_ID": "42", "PATH": f"{stub.parent}:{os.environ['PATH']}"})
    run = Run(run_folder, overrides, processes=2, before=[slurm, ("slow_steps", 0.2)])
    assert stopped(run, signal.SIGUSR1, signal.SIGUSR1) == [75, 75], run.told
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:2] == ["requeue", "42"]
    assert "last.ckpt" in asked
    assert asked.count("requeue") == 1
    assert status(run_folder)["job"] == "42"
    # Slurm starts the same command, which need not say resume=auto.
    restarted = ("environment", {**slurm[1], "SLURM_RESTART_COUNT": "1"})
    Run(run_folder, overrides, processes=2, before=[restarted]).finish()
    assert status(run_folder)["state"] == "finished"


@pytest.mark.parametrize(("since", "requeued"), [("None", []), ("2026-11-23T02:17:34", ["requeue 7_3"])])
def test_a_job_that_got_sigterm_comes_back_if_slurm_preempted_it(
    since: str, requeued: list[str], overrides: list[str], tmp_path: Path
) -> None:
    (tmp_path / "scontrol").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho "Requeue=1 PreemptTime={since}"\n'
    )
    (tmp_path / "scontrol").chmod(0o755)
    # A task of an array: its plain number may be that of the whole array.
    job = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    slurm = ("environment", {**job, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    run = Run(tmp_path / "run", overrides, before=[slurm, ("slow_steps", 0.2)])
    assert stopped(run, signal.SIGTERM) == [75], run.told
    assert (tmp_path / "asked").read_text().splitlines() == ["show job 7_3", *requeued]
