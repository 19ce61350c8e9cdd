"""What goes wrong, by order: done in the process of a run before it begins."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forks import Run

PATIENCE = 300.0


def status(folder: Path) -> dict[str, Any]:
    """Read what a run says of itself."""
    return dict(json.loads((folder / "status.json").read_text()))


def until(happened: Callable[[], bool], run: Run) -> None:
    """Wait for something while a run goes on."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert run.is_alive, run.told[-3000:]
        assert time.monotonic() < deadline, run.told[-3000:]
        time.sleep(0.01)


# -- faults: the first argument is the folder of the run, the second the rank ---------------------------------------


def environment(folder: Path, rank: int, values: dict[str, str]) -> None:
    """Set variables."""
    os.environ.update(values)


def own_group(folder: Path, rank: int) -> None:
    """Make the run and its children a group that can be signalled."""
    os.setpgid(0, 0)


def slow_steps(folder: Path, rank: int, seconds: float) -> None:
    """Let every step take its time."""
    _before_step(lambda step: time.sleep(seconds))


def stuck_step(folder: Path, rank: int, step: int) -> None:
    """Never end a step, where no handler of Python runs, and leave a file that says so."""

    def act(now: int) -> None:
        if now == step:
            (folder / "stuck").touch()
            _sleep_in_c(60.0)

    _before_step(act)


def sleep_in(folder: Path, rank: int, phase: str, seconds: float) -> None:
    """Sleep when a phase begins, and leave a file of each process that says so."""
    from clipbio.pulse import Pulse

    enter = Pulse.enter

    def entered(self: Pulse, name: str) -> None:
        enter(self, name)
        if name == phase:
            (folder / f"sleeping-{rank}").touch()
            time.sleep(seconds)

    Pulse.enter = entered  # type: ignore[method-assign]


def tell_phases(folder: Path, rank: int) -> None:
    """Let the first process write beside the run folder what it does, the writing of a checkpoint too."""
    from clipbio.pulse import Pulse
    from clipbio.training import atomic_checkpoints

    if rank:
        return
    place = folder.parent / f"{folder.name}.phase"
    enter, save = Pulse.enter, atomic_checkpoints.AtomicCheckpoints.save_checkpoint

    def entered(self: Pulse, name: str) -> None:
        enter(self, name)
        place.write_text(name)

    def saved(self: Any, *arguments: Any, **settings: Any) -> None:
        place.write_text("saving")
        save(self, *arguments, **settings)
        place.write_text("training")

    Pulse.enter = entered  # type: ignore[method-assign]
    atomic_checkpoints.AtomicCheckpoints.save_checkpoint = saved  # type: ignore[method-assign]


def hang_in_step(folder: Path, rank: int, who: int, step: int) -> None:
    """Let one process stay out of the collectives of a step for good."""
    _before_step(lambda now: time.sleep(600) if (rank, now) == (who, step) else None)


def die_in_step(folder: Path, rank: int, who: int, step: int) -> None:
    """Kill one process in a step."""
    _before_step(lambda now: os.kill(os.getpid(), signal.SIGKILL) if (rank, now) == (who, step) else None)


def fail_in_step(folder: Path, rank: int, who: int, step: int) -> None:
    """Let one process fail in a step while the others, as with NCCL, never learn that it is gone."""
    from clipbio.training import watchdog

    watchdog._FAILED_SECONDS = 3.0

    def act(now: int) -> None:
        if now == step and rank == who:
            raise RuntimeError("an error of this process alone")
        if now == step:
            _sleep_in_c(60.0)

    _before_step(act)


def poison(folder: Path, rank: int, steps: list[int]) -> None:
    """Make the loss of some steps NaN on the last process."""
    from clipbio.training.module import ContrastiveModule

    compute = ContrastiveModule.training_step

    def poisoned(self: Any, batch: Any, batch_idx: int) -> Any:
        outputs = compute(self, batch, batch_idx)
        if self.global_step in steps and rank == self.trainer.world_size - 1:
            outputs["loss"] = outputs["loss"] * float("nan")
        return outputs

    ContrastiveModule.training_step = poisoned  # type: ignore[method-assign]


def jumping_clock(folder: Path, rank: int, seconds: float, after: int) -> None:
    """Shift the clock on the wall in the middle of the run."""
    real, jumped = time.time, threading.Event()
    time.time = lambda: real() + (seconds if jumped.is_set() else 0.0)
    _before_step(lambda now: jumped.set() if now == after else None)


def small_files(folder: Path, rank: int, size: int, step: int) -> None:
    """From a step on let no file grow beyond a size: a write then fails half-way, as on a full disk."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = (size, resource.RLIM_INFINITY)
    _before_step(lambda now: resource.setrlimit(resource.RLIMIT_FSIZE, limits) if now == step else None)


def full_log(folder: Path, rank: int, step: int) -> None:
    """Give the log a device without room."""

    def act(now: int) -> None:
        if now == step:
            (folder / "metrics.jsonl").rename(folder / "metrics.kept")
            (folder / "metrics.jsonl").symlink_to("/dev/full")

    _before_step(act)


def full_status(folder: Path, rank: int, step: int) -> None:
    """Give the status a device without room."""
    target = folder / f".status.json.{os.getpid()}"
    _before_step(lambda now: target.symlink_to("/dev/full") if now == step else None)


def kill_worker(folder: Path, rank: int, step: int) -> None:
    """Kill the process that reads data, as a machine without memory does."""
    import multiprocessing

    def act(now: int) -> None:
        if now == step:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    _before_step(act)


def patience(folder: Path, rank: int, seconds: float) -> None:
    """Wait less long for another run."""
    import clipbio.tasks.attempt

    clipbio.tasks.attempt._PATIENCE_SECONDS = seconds


def nobody(folder: Path, rank: int) -> None:
    """Open the run folder without what lets root write everywhere."""
    from clipbio.tasks.attempt import Attempt

    opened = Attempt.open_folder

    def powerless(self: Attempt) -> str:
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            return opened(self)
        finally:
            os.seteuid(user)

    Attempt.open_folder = powerless  # type: ignore[method-assign]


def _before_step(act: Callable[[int], object]) -> None:
    from clipbio.training.base import TrainingModule

    seed = TrainingModule.seed_step

    def seeded(self: Any, batch: Any) -> None:
        act(self.global_step)
        seed(self, batch)

    TrainingModule.seed_step = seeded  # type: ignore[method-assign]


def _sleep_in_c(seconds: float) -> None:
    """Sleep as a collective waits: in C, where no handler of Python runs."""
    import ctypes

    deadline = time.monotonic() + seconds
    pause = ctypes.CDLL(None).poll
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    while time.monotonic() < deadline:
        pause(None, 0, 1000)
