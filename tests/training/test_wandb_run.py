import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import wandb
from processes import FORKS
from wandb_files import OfflineRun, offline_folders, offline_run

from clipbio.errors import ClipbioError
from clipbio.files import write_json
from clipbio.training.loggers import JsonLinesLogger
from clipbio.training.run import RunFolder
from clipbio.training.wandb_run import WandbLogger, finish_wandb


def opened(folder: Path, **settings: Any) -> WandbLogger:
    return WandbLogger(**{"project": "birds", "name": "n", "mode": "offline", "folder": str(folder), **settings})


def log_steps(folder: Path, steps: range, **settings: Any) -> None:
    """Log as a run does, which opens its loggers first: a loss at each step, and a score at each third."""
    loggers = JsonLinesLogger(folder / "metrics.jsonl"), opened(folder, **settings)
    _ = loggers[1].experiment
    for step in steps:
        for logger in loggers:
            logger.log_metrics({"train/loss": 1 / (1 + step), "epoch": 0}, step=step)
            if step % 3 == 0:
                logger.log_metrics({"zero_shot/val/mean/top1": float(step)}, step=step)


def _log_and_die(folder: Path, steps: int) -> None:
    log_steps(folder, range(steps))
    os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path, steps: int) -> None:
    """Log in a process of its own, which is killed."""
    process = FORKS.Process(target=_log_and_die, args=(folder, steps))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    RunFolder(folder).open({"seed": 3, "model": {"name": "tiny"}}, "never")
    return folder


def test_a_run_has_its_config_rows_by_step_final_figures_and_exit_code(run_folder: Path) -> None:
    logger = opened(run_folder, group="sweep", tags=["a", "b"], job_type="train", entity="lab")
    logger.log_metrics({"train/loss": 2.0, "epoch": 0}, step=0)
    logger.log_metrics({"lr": 1e-3}, step=0)
    logger.log_metrics({"train/loss": float("nan")}, step=10)
    write_json(run_folder / "metrics.json", {"zero_shot/test/mean/top1": 0.25})
    logger.summarise()
    finish_wandb(3)
    found = offline_run(run_folder)
    rows = [{key: value for key, value in row.items() if key[0] != "_"} for row in found.rows]
    assert found.steps == [0, 10]
    assert rows[0] == {"train/loss": 2, "lr": 1e-3}
    assert rows[1]["train/loss"] != rows[1]["train/loss"]
    assert found.config["seed"] == 3
    assert found.config["model"] == {"name": "tiny"}
    assert found.summary["zero_shot/test/mean/top1"] == 0.25
    assert found.exit_code == 3
    assert (found.run.run_group, list(found.run.tags), found.run.job_type) == ("sweep", ["a", "b"], "train")
    assert (found.run.project, found.run.entity) == ("birds", "lab")
    assert found.run.run_id == (run_folder / "wandb_id").read_text()


def test_a_killed_and_continued_run_has_one_folder_with_each_step_once(run_folder: Path) -> None:
    other = run_folder / "wandb" / "offline-run-20260101_000000-other"
    other.mkdir(parents=True)
    longer = run_folder / "wandb" / f"offline-run-20260101_000000-x-{opened(run_folder).version}"
    longer.mkdir()
    killed(run_folder, 8)
    assert len(offline_folders(run_folder)) == 3
    RunFolder(run_folder).forget_after(5)
    log_steps(run_folder, range(5, 10))
    finish_wandb(1)
    RunFolder(run_folder).forget_after(7)
    log_steps(run_folder, range(7, 12))
    finish_wandb(0)
    # The service of the killed process must not bring its folder back.
    time.sleep(2)
    own = [path for path in offline_folders(run_folder) if path not in (other, longer)]
    assert len(own) == 1
    assert other.exists()
    assert longer.exists()
    found = OfflineRun(own[0])
    assert found.steps == list(range(12))
    assert [row["train/loss"] for row in found.rows] == [1 / (1 + step) for step in range(12)]
    assert [row["_step"] for row in found.rows if "zero_shot/val/mean/top1" in row] == [0, 3, 6, 9]
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert sorted({line["step"] for line in lines}) == found.steps
    assert found.exit_code == 0


def test_two_runs_in_one_process_are_two_on_wandb_even_after_a_crash(tmp_path: Path) -> None:
    for name in ("first", "second"):
        RunFolder(tmp_path / name).open({"name": name}, "never")
    log_steps(tmp_path / "first", range(2), group="sweep")
    # The first one has crashed: nobody closed it.
    log_steps(tmp_path / "second", range(4), group="sweep")
    finish_wandb(0)
    first, second = offline_run(tmp_path / "first"), offline_run(tmp_path / "second")
    assert (first.steps, second.steps) == ([0, 1], [0, 1, 2, 3])
    assert first.run.run_id != second.run.run_id
    assert first.run.run_group == second.run.run_group == "sweep"
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert wandb.run is None
    assert "WANDB_MODE" not in os.environ


def test_without_login_an_online_run_goes_on_offline(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("HOME", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.setenv(name, str(run_folder / "nobody"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with caplog.at_level(logging.WARNING, "clipbio"):
        log_steps(run_folder, range(3), mode="online")
    finish_wandb(0)
    assert "kept offline" in caplog.text
    assert offline_run(run_folder).steps == [0, 1, 2]


def test_the_server_gets_what_it_lacks_and_nothing_twice(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_steps(run_folder, range(8))
    finish_wandb(0)
    assert len(offline_folders(run_folder)) == 1
    server = _Server(starting_step=3)
    monkeypatch.setattr(wandb, "init", server.init)
    log_steps(run_folder, range(8, 10), mode="online")
    assert server.settings["settings"].mode == "online"
    assert server.settings["resume"] == "allow"
    assert server.settings["id"] == (run_folder / "wandb_id").read_text()
    assert [step for step, values in server.rows if "train/loss" in values] == [3, 4, 5, 6, 7, 8, 9]
    assert offline_folders(run_folder) == []
    # Continued from a checkpoint that is older than what the server has.
    RunFolder(run_folder).forget_after(6)
    later = _Server(starting_step=9)
    monkeypatch.setattr(wandb, "init", later.init)
    log_steps(run_folder, range(6, 11), mode="online")
    assert sorted({step for step, _ in later.rows}) == [9, 10]


def test_what_fails_in_wandb_is_told_once_and_stops_nothing(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _Server(starting_step=0, fails_at=2)
    monkeypatch.setattr(wandb, "init", broken.init)
    with caplog.at_level(logging.WARNING, "clipbio"):
        log_steps(run_folder, range(5))
    assert caplog.text.count("wandb failed and is left out") == 1
    assert "service died" in caplog.text
    assert len((run_folder / "metrics.jsonl").read_text().splitlines()) == 7


def test_the_mode_is_online_or_offline(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"logger\.wandb\.mode='onlin' must be offline or online"):
        opened(tmp_path, mode="onlin")


class _Server:
    """What a run online is to the logger: the step at which it continues, and the rows that are sent."""

    def __init__(self, *, starting_step: int, fails_at: int | None = None) -> None:
        self.starting_step = starting_step
        self.fails_at = fails_at
        self.rows: list[tuple[int, dict[str, float]]] = []

    def init(self, **settings: Any) -> "_Server":
        self.settings = settings
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        if step == self.fails_at:
            raise BrokenPipeError("service died")
        self.rows.append((step, values))
