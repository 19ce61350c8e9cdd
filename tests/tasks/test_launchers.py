"""Who starts the processes: what fits together, what is refused and with which remedy."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gardens import write_garden
from runs import SMALL, here, losses

from clipbio.config import compose, config_dir
from clipbio.distributed import World, _environment, _meet
from clipbio.errors import ClipbioError
from clipbio.tasks.launching import check_launch, is_alone
from clipbio.tasks.processes import check_processes

STEP = {"SLURM_PROCID": "3", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2",
        "SLURM_LOCALID": "1", "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "120042",
        "SLURM_NODELIST": "gpu[07-08]", "SLURM_JOB_NODELIST": "gpu[07-08]"}  # fmt: skip
PROCESS_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "SUBMITIT_EXECUTOR",
                 "SLURM_NTASKS_PER_NODE", "LOCAL_WORLD_SIZE", *STEP)  # fmt: skip


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nobody has started anything, and that is left behind as it was."""
    for name in PROCESS_NAMES:
        # First set, so that what a test adds is taken away again.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def given(environment: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


def test_a_task_of_srun_knows_its_place_and_where_to_meet(environment: pytest.MonkeyPatch) -> None:
    given(environment, STEP)
    world = _environment()
    assert world == World(rank=3, size=4, local_rank=1, local_size=2)
    _meet(world)
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("gpu07", "15042")
    assert os.environ["SLURM_NTASKS_PER_NODE"] == "2"


def test_a_batch_script_without_srun_is_told(environment: pytest.MonkeyPatch) -> None:
    given(environment, {name: value for name, value in STEP.items() if "STEP" not in name})
    with pytest.raises(ClipbioError, match="put 'srun' before"):
        _environment()
    environment.setenv("SLURM_NTASKS", "1")
    assert _environment() == World()


def test_torchrun_in_a_batch_script_is_what_counts(environment: pytest.MonkeyPatch) -> None:
    given(environment, {**STEP, "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"})
    assert _environment() == World(1, 2, 1, 2)


def test_nodes_with_different_numbers_of_tasks_are_refused(environment: pytest.MonkeyPatch) -> None:
    given(environment, {**STEP, "SLURM_STEP_TASKS_PER_NODE": "3,1"})
    with pytest.raises(ClipbioError, match="--ntasks-per-node"):
        _environment()


@pytest.mark.parametrize(
    ("trainer", "world", "remedy"),
    [
        ({"strategy": "auto", "devices": 1}, World(0, 2, 0, 2), "trainer=ddp"),
        ({"strategy": "auto", "devices": 2}, World(), "torchrun --nproc_per_node"),
        ({"strategy": "ddp", "devices": 2}, World(), "launcher=slurm"),
        ({"strategy": "ddp", "devices": 4}, World(0, 2, 0, 2), "--ntasks-per-node"),
    ],
)
def test_processes_that_do_not_fit_the_trainer_are_refused(trainer: dict[str, Any], world: World, remedy: str) -> None:
    with pytest.raises(ClipbioError, match=remedy):
        check_processes({"trainer": {"accelerator": "cpu", **trainer}}, world)


def test_a_task_that_sees_one_gpu_of_several_is_told(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ClipbioError, match="--gpus-per-node=2"):
        check_processes({"trainer": {"accelerator": "gpu", "strategy": "ddp", "devices": "auto"}}, World(0, 2, 0, 2))


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_a_sweep_inside_several_processes_is_refused(name: str, environment: pytest.MonkeyPatch, capsys: Any) -> None:
    environment.setenv(name, "2")
    status, _, errors = here(capsys, "train", "-m", "seed=0,1")
    assert status == 2
    assert "would run once in each of them" in errors
    check_launch(["seed=0"], multirun=False)


def test_a_launcher_that_is_not_installed_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("clipbio.tasks.launching._is_installed", lambda module: False)
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[slurm\]'"):
        check_launch(["launcher=slurm"], multirun=False)


def test_slurm_where_there_is_none_is_told(environment: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    environment.setenv("PATH", "")
    with pytest.raises(ClipbioError, match="launcher=slurm_local"):
        check_launch(["launcher=slurm"], multirun=False)


@pytest.mark.parametrize(
    ("overrides", "multirun", "alone"),
    [
        (["launcher=slurm"], False, True),
        (["launcher=slurm"], True, False),
        (["launcher=slurm", "seed=0,1"], False, False),
        (["launcher=slurm", "sweep=grid"], False, False),
        (["seed=0"], False, False),
    ],
)
def test_one_launched_job_has_the_run_folder_for_itself(overrides: Sequence[str], multirun: bool, alone: bool) -> None:
    assert is_alone(overrides, multirun=multirun) is alone


@pytest.mark.parametrize("verb", ["train", "evaluate", "embed", "prepare"])
@pytest.mark.parametrize(
    ("name", "plugin"),
    [
        ("slurm", "hydra_submitit_launcher"),
        ("slurm_local", "hydra_submitit_launcher"),
        ("joblib", "hydra_joblib_launcher"),
        ("ray", "hydra_ray_launcher"),
    ],
)
def test_every_launcher_composes_with_every_verb_that_has_it(verb: str, name: str, plugin: str) -> None:
    pytest.importorskip(f"hydra_plugins.{plugin}")
    compose(verb, [f"launcher={name}"])


def test_batch_scripts_save_and_come_back() -> None:
    scripts = sorted((config_dir() / "launcher").glob("*.sbatch"))
    assert [script.stem for script in scripts] == ["array", "shards", "srun", "torchrun"]
    for script in scripts:
        text = script.read_text()
        assert "#SBATCH --requeue" in text
        assert "#SBATCH --open-mode=append" in text
        assert ("#SBATCH --signal=USR1@120" in text) == (script.stem != "shards")


@pytest.mark.slow
def test_joblib_runs_a_sweep_and_tells_of_a_failed_job_in_a_line(tmp_path: Path, capfd: Any) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    garden = write_garden(tmp_path / "garden", species=4, per_species=8, splits=("train", "test"))
    small = [item for item in SMALL if not item.startswith(("benchmark", "validation", "data.batch_size"))]
    status, out, errors = here(
        capfd, "train", "-m", "launcher=joblib", *small, "benchmark=[]", "validation.benchmarks=[]",
        "data.batch_size=4,8,4000", f"data.root={garden}", f"cache_dir={tmp_path / 'cache'}", "duration=2 steps",
        f"run_dir={tmp_path / 'sweep'}",
    )  # fmt: skip
    assert status == 1
    assert "clipbio: failed: data.batch_size=4000 is larger than" in errors
    assert "1 of the jobs failed" in errors
    assert "Traceback" not in out + errors
    runs = [path.parent for path in (tmp_path / "sweep").glob("*/metrics.jsonl")]
    assert [len(losses(run)) for run in runs] == [2, 2]
