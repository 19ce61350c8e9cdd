"""Runs in processes of their own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import FORKS
from runs import ROOT


class Run:
    """A training run on one or several processes, with the environment that torchrun gives them.

    Args:
        folder: The run folder.
        overrides: Settings.
        processes: Their number.
        before: Names of functions of `faults`, and their arguments, that each process calls first.
    """

    def __init__(
        self,
        folder: Path,
        overrides: Sequence[str],
        *,
        processes: int = 1,
        before: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        self.folder = folder
        self.errors = folder.with_suffix(".err")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        given = [*overrides, f"run_dir={folder}"]
        if processes > 1:
            given += ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true"]
        self.processes = [
            FORKS.Process(target=_train, args=(given, rank, processes, port, self.errors, folder, before))
            for rank in range(processes)
        ]
        for process in self.processes:
            process.start()

    def finish(self, seconds: float = 300) -> None:
        """Wait for the end, which must be a good one."""
        codes = self.codes(seconds)
        assert codes == [0] * len(codes), self.told[-3000:]

    @property
    def is_alive(self) -> bool:
        """Whether all processes go on."""
        return all(process.is_alive() for process in self.processes)

    @property
    def steps(self) -> int:
        """Number of steps of which the first process has written its share."""
        log = self.folder / "samples" / "rank-0.jsonl"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    @property
    def told(self) -> str:
        """What all attempts in this folder have said."""
        return self.errors.read_text() if self.errors.exists() else ""

    def codes(self, seconds: float = 300) -> list[int | None]:
        """Wait for the end, and return the exit codes."""
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        self.kill()
        return codes

    def kill(self) -> None:
        """End all processes at once, as a machine that is switched off does."""
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.join()

    def kill_after(self, steps: int, seconds: float = 300) -> None:
        """Kill the run in the middle of a step, when it has logged so many."""
        deadline = time.monotonic() + seconds
        while self.steps < steps:
            assert self.is_alive, self.told[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.002)
        self.kill()


def _train(
    overrides: list[str],
    rank: int,
    size: int,
    port: int,
    errors: Path,
    folder: Path,
    before: Sequence[tuple[Any, ...]],
) -> None:
    os.chdir(ROOT)
    if size > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"}
    with errors.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import faults

    from clipbio.cli import run

    for name, *arguments in before:
        getattr(faults, name)(folder, rank, *arguments)
    sys.exit(run("train", overrides))
