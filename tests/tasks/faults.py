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
    """Sleep when a phase begins, and leave a file that says so."""
    from clipbio.pulse import Pulse

    enter = Pulse.enter

    def entered(self: Pulse, name: str) -> None:
        enter(self, name)
        if name == phase:
            (folder / "sleeping").touch()
            time.sleep(seconds)

    Pulse.enter = entered  # type: ignore[method-assign]


def hang_in_step(folder: Path, rank: int, who: int, step: int) -> None:
    """Let one process stay out of the collectives of a step for good."""
    _before_step(lambda now: time.sleep(600) if (rank, now) == (who, step) else None)


def die_in_step(folder: Path, rank: int, who: int, step: int) -> None:
    """Kill one process in a step."""
    _before_step(lambda now: os.kill(os.getpid(), signal.SIGKILL) if (rank, now) == (who, step) else None)


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


def small_files(folder: Path, rank: int, size: int) -> None:
    """Let no file grow beyond a size, which a full disk does, too."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def nobody(folder: Path, rank: int) -> None:
    """Give up what lets root write everywhere."""
    if os.geteuid() == 0:
        os.seteuid(65534)


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
