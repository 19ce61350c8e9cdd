"""Slurm for real, on a private cluster of one node: jobs of several tasks, requeued ones, sweeps, batch scripts."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from gardens import write_garden
from runs import ROOT, SMALL, losses, samples
from slurm_cluster import cluster, told, until, why_not
from wandb_files import offline_run

from clipbio.cli import run as run_verb
from clipbio.config import config_dir
from clipbio.files import read_json

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(why_not()), reason=f"no Slurm: {why_not()}"),
]
Environment = dict[str, str]
PAIR = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true")
# Long enough to be met while it trains.
STEPS = 120
PATIENCE = 900


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The environment in which commands of Slurm, and ours, reach a cluster of this test."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with cluster(tmp_path_factory.mktemp("slurm") / "cluster") as environment:
        path = f"{Path(sys.executable).parent}:{environment['PATH']}"
        yield {**environment, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    base = tmp_path_factory.mktemp("garden")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test"))
    small = [item for item in SMALL if not item.startswith("validation")]
    return [*small, "validation.benchmarks=[]", "validation.every=100 percent", "monitors=null",
            "checkpoint.every=50 steps", f"data.root={garden}", f"cache_dir={base / 'cache'}"]  # fmt: skip


def undisturbed(folder: Path, overrides: Sequence[str]) -> Path:
    """Train on one process, without Slurm, and return the folder."""
    assert run_verb("train", [*overrides, f"run_dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def reference(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long run, which nobody disturbs."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "run", [*overrides, f"duration={STEPS} steps"])


def launched(verb: str, *overrides: str, tasks: int = 1) -> list[str]:
    """Return a command that submits jobs and waits for them."""
    sizes = [f"hydra.launcher.tasks_per_node={tasks}", "hydra.launcher.cpus_per_task=1"]
    return [sys.executable, "-m", "clipbio", verb, "launcher=slurm", *sizes, *overrides]


def done(slurm: Environment, command: Sequence[str], cwd: Path = ROOT) -> str:
    """Run a command to its good end and return what it says."""
    answer = subprocess.run(command, env=slurm, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said[-3000:]
    return said


def test_a_job_of_two_tasks_is_the_run_of_one_process(slurm: Environment, overrides: list[str], tmp_path: Path) -> None:
    overrides = [*overrides, "duration=12 steps"]
    alone = undisturbed(tmp_path / "alone", overrides)
    two = tmp_path / "two"
    said = done(slurm, launched("train", *overrides, *PAIR, f"run_dir={two}", tasks=2))
    assert "submitted" in said
    assert len(list((two / "samples").glob("rank-*.jsonl"))) == 2
    assert samples(two) == samples(alone)
    assert losses(two) == pytest.approx(losses(alone), rel=1e-4)
    first, second = (read_json(path / "metrics.json") for path in (alone, two))
    counts = [name for name in first if name.endswith("/n")]
    assert counts
    assert {name: first[name] for name in counts} == {name: second[name] for name in counts}


@pytest.mark.parametrize("by", ["preemption", "signal"])
def test_a_job_that_was_requeued_ends_like_an_undisturbed_one(
    by: str, slurm: Environment, overrides: list[str], reference: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    given = [*overrides, f"duration={STEPS} steps", "logger=offline", f"run_dir={folder}"]
    with (tmp_path / "said").open("wb") as said:
        waiting = subprocess.Popen(
            launched("train", *given, "hydra.launcher.partition=main"), env=slurm, cwd=ROOT, stdout=said, stderr=said
        )
    try:
        log = folder / "samples" / "rank-0.jsonl"
        until(lambda: waiting.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") > 5), PATIENCE)
        assert waiting.poll() is None, (tmp_path / "said").read_text()
        job, name = told(slurm, "squeue", "-h", "-o", "%A %j").split()
        assert name == "clipbio-train"
        if by == "signal":
            # What the launcher asks Slurm for before the time limit.
            told(slurm, "scancel", "--signal=USR2", job)
        else:
            whole_node = ["-p", "urgent", "-n", str(len(os.sched_getaffinity(0)))]
            told(slurm, "sbatch", *whole_node, "-o", "/dev/null", "--wrap", "true")
        assert waiting.wait(PATIENCE) == 0, (tmp_path / "said").read_text()
    finally:
        waiting.kill()
    status = read_json(folder / "status.json")
    assert (status["state"], status["attempt"], status["step"]) == ("finished", 2, STEPS)
    assert 0 < status["resumed_at"] < STEPS
    assert samples(folder) == samples(reference)
    assert losses(folder) == losses(reference)
    assert read_json(folder / "metrics.json") == read_json(reference / "metrics.json")
    steps = offline_run(folder).steps
    assert len(set(steps)) == len(steps) >= STEPS


def test_a_sweep_of_four_points_has_its_table(slurm: Environment, overrides: list[str], tmp_path: Path) -> None:
    points = ["optim.lr=0.001,0.002", "seed=0,1", "duration=2 steps", f"run_dir={tmp_path / 'sweep'}"]
    assert "submitted" in done(slurm, launched("train", *overrides, *points))
    with (tmp_path / "sweep" / "sweep.csv").open() as table:
        rows = [(row["lr"], row["seed"], row["state"]) for row in csv.DictReader(table)]
    assert sorted(rows) == [(lr, seed, "finished") for lr in ("0.001", "0.002") for seed in ("0", "1")]
    assert (tmp_path / "sweep" / "sweep.png").stat().st_size > 0


SHARDS = ("source=virtual", "source.num_species=12", "source.num_unseen=6", "source.specimens_per_species=4",
          "source.image_size=32", "options.samples_per_shard=5", "progress=false")  # fmt: skip


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Shards that one process wrote."""
    folder = tmp_path_factory.mktemp("serial") / "shards"
    assert run_verb("prepare", [*SHARDS, f"out={folder}"]) == 0
    return files_of(folder)


def test_shards_of_many_jobs_are_those_of_one(slurm: Environment, serial: dict[str, bytes], tmp_path: Path) -> None:
    settings = [*SHARDS, f"out={tmp_path / 'shards'}", "parts=2"]
    # Hydra's files of a sweep without a run folder lie in the home.
    done({**slurm, "HOME": str(tmp_path)}, launched("prepare", *settings, "part=range(0,2)"))
    done(slurm, [sys.executable, "-m", "clipbio", "prepare", *settings, "part=merge"])
    assert files_of(tmp_path / "shards") == serial


def submitted(slurm: Environment, folder: Path, script: str, options: Sequence[str], settings: Sequence[str]) -> None:
    """Submit a batch script that ships and wait for the good end of its jobs and of those that they submit."""
    fewer = ["--parsable", "--cpus-per-task=1", "--output=%x-%A.log", *options]
    job = done(slurm, ["sbatch", *fewer, str(config_dir() / "launcher" / script), *settings], cwd=folder).strip()
    until(lambda: not told(slurm, "squeue", "-h"), PATIENCE)
    states = re.findall(r"JobState=(\w+)", told(slurm, "scontrol", "show", "job", job))
    assert set(states) == {"COMPLETED"}, "".join(path.read_text() for path in folder.glob("*.log"))[-3000:]


@pytest.mark.parametrize(
    ("script", "options"),
    [("srun", ["--nodes=1", "--ntasks-per-node=2"]), ("torchrun", ["--cpus-per-task=2", "--export=ALL,PROCESSES=2"])],
)
def test_batch_scripts_train_on_two_processes(
    script: str, options: list[str], slurm: Environment, overrides: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    submitted(slurm, tmp_path, f"{script}.sbatch", options, [*overrides, *PAIR, "duration=2 steps", f"run_dir={run}"])
    assert read_json(run / "status.json")["state"] == "finished"
    assert len(list((run / "samples").glob("rank-*.jsonl"))) == 2
    assert "resume: auto" in (run / "config.yaml").read_text()


def test_the_batch_script_of_seeds_trains_one_run_each(
    slurm: Environment, overrides: list[str], tmp_path: Path
) -> None:
    options = ["--array=0-1", f"--export=ALL,RUNS={tmp_path / 'runs'}"]
    submitted(slurm, tmp_path, "array.sbatch", options, [*overrides, "duration=2 steps"])
    runs = [tmp_path / "runs" / seed for seed in ("0", "1")]
    assert [read_json(run / "status.json")["state"] for run in runs] == ["finished"] * 2
    assert losses(runs[0]) != losses(runs[1])


def test_the_batch_script_of_shards_writes_and_merges_parts(
    slurm: Environment, serial: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    submitted(slurm, tmp_path, "shards.sbatch", ["--array=0-1", f"--export=ALL,SHARDS={out}"], SHARDS)
    assert files_of(out) == serial
