"""What a run does at this moment, as a file."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

from clipbio.pulse import PULSE
from clipbio.training.run import RunFolder

__all__ = ["Status"]


class Status:
    """Keep `status.json` true; see docs/survival.md for its fields.

    The watchdog's thread writes while the run goes on, the main thread at its ends.

    Args:
        folder: The run folder.
        writes: Whether this process is the one that writes.
    """

    def __init__(self, folder: RunFolder, *, writes: bool) -> None:
        self.folder = folder
        self.writes = writes
        self.problem: OSError | None = None
        self._mutex = threading.Lock()
        self._closed = False
        self._began: tuple[int, float] | None = None
        self._values: dict[str, Any] = {
            "step": 0,
            "steps": None,
            "started": time.time(),
            "resumed_at": None,
            "attempt": 1,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "checkpoint": None,
            "error": "",
        }

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def set(self, **values: Any) -> None:
        """Take note of values, for the next time it is written; threads may do so."""
        with self._mutex:
            self._values |= values

    def step(self, step: int) -> None:
        """Take note of a step that is done."""
        if self._began is None:
            self._began = step, time.monotonic()
        self._values["step"] = step

    def write(self, state: str = "running", *, last: bool = False) -> None:
        """Write the file; a problem is kept in `problem` for the main thread, which can end the run.

        Args:
            state: See docs/survival.md.
            last: Whether nothing may be written after it.
        """
        with self._mutex:
            if self._closed or not self.writes:
                return
            self._closed = last
            left = self._seconds_left() if state == "running" else None
            try:
                self.folder.write_status(state, phase=PULSE.phase, **self._values, seconds_left=left)
            except OSError as error:
                self.problem = error

    def _seconds_left(self) -> float | None:
        """Return an estimate of the training that is left, from the pace of this attempt."""
        step, steps = self._values["step"], self._values["steps"]
        if self._began is None or not steps or step <= self._began[0]:
            return None
        pace = (time.monotonic() - self._began[1]) / (step - self._began[0])
        return float(round(pace * (steps - step), 1))
