"""One run of a loader in a process of its own: `python benchmarks/data_runs.py SIDE SETTINGS`, figures as JSON."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

__all__ = ["Figures", "Run", "run"]

# Batches that may wait finished while the clock is stopped: workers must have work until then.
AHEAD = 8


@dataclass(frozen=True)
class Run:
    """What a side is told.

    Args:
        root: Our shard folder.
        tars: Its train tars.
        captions: File with a caption for each key, for the peer.
        batch_size: Samples per batch.
        workers: Decoding processes.
        warmup: Batches before the clock starts.
        steps: Timed batches.
        image_size: Side of the pictures in a batch.
        start: First batch: where a resumed run continues.
        marks: Numbers of timed batches after which memory is looked at, beside the last one.
    """

    root: str
    tars: list[str]
    captions: str
    batch_size: int
    workers: int
    warmup: int
    steps: int
    image_size: int = 224
    start: int = 0
    marks: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Batches that the loader must be good for."""
        return self.warmup + self.steps + AHEAD


@dataclass(frozen=True)
class Figures:
    """What a run shows.

    Args:
        seconds: Time of the timed batches.
        cpu_seconds: CPU time of all processes during them.
        first: Seconds from a loader that is built to its first batch, workers started.
        memory: Proportional set size of all processes in MiB, at the marks and at the end.
    """

    seconds: float
    cpu_seconds: float
    first: float
    memory: list[float]


def run(side: str, settings: Run) -> Figures:
    """Run a side in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), side, json.dumps(dataclasses.asdict(settings))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-3000:]}")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def measure(batches: Iterator[Tensor], settings: Run) -> Figures:
    """Take batches, each a float tensor that the training step could use, and look at the clocks."""
    begun = time.perf_counter()
    first = started = cpu = 0.0
    memory = []
    for number, batch in enumerate(batches):
        assert batch.shape[0] == settings.batch_size
        assert batch.is_floating_point()
        if number == 0:
            first = time.perf_counter() - begun
        if number == settings.warmup - 1:
            started, cpu = time.perf_counter(), _cpu_seconds()
        if number - settings.warmup + 1 in settings.marks:
            memory.append(_memory())
        if number == settings.warmup + settings.steps - 1:
            break
    seconds, cpu = time.perf_counter() - started, _cpu_seconds() - cpu
    return Figures(seconds, cpu, first, [*memory, _memory()])


def _processes() -> list[int]:
    return [os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)]


def _cpu_seconds() -> float:
    """Return the CPU time of this process and its workers so far."""
    ticks = 0
    for process in _processes():
        # Behind the name, which may hold anything: user and system time are the fields 14 and 15.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory() -> float:
    """Return the proportional set size of this process and its workers in MiB: shared pages are counted once."""
    kibibytes = 0
    for process in _processes():
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        kibibytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kibibytes / 1024


def main() -> None:
    side, settings = sys.argv[1], Run(**json.loads(sys.argv[2]))
    if side == "ours":
        from data_ours import batches
    else:
        from data_peer import batches
    print(json.dumps(dataclasses.asdict(measure(batches(settings), settings))))


if __name__ == "__main__":
    main()
