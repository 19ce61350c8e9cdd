"""What an attempt at a run took: seconds, hours of processors, energy."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json
from clipbio.provenance.counters import EnergyCounter, Estimate, cpu_counter, cpu_seconds, gpu_counter

__all__ = ["FOLDER", "Meter", "added", "forget_usage", "read_usage"]

# Inside a run folder: a file per process, as long as an attempt lasts.
FOLDER = "usage"
_JOULES = 3.6e6
# What a core of a server's processor draws at work (280 W / 32 cores), and a GPU of a data centre.
_CORE_WATTS, _GPU_WATTS = 9.0, 350.0
_SUMS = ("cpu_hours", "gpu_hours", "cpu_kwh", "gpu_kwh", "kwh")


class Meter:
    """Measure what this process takes, and keep a file of it, which outlives a process that is killed.

    Args:
        path: The file.
        gpus: The GPUs of this process by torch's numbers.
        whole_machine: Whether this process reads the counter of the machine's processors, as one on each machine does.
        every: Seconds between readings: counters run round within minutes.
        cpu: Counter of the processors.
        gpu: Counter of the GPUs.
    """

    def __init__(
        self,
        path: Path,
        *,
        gpus: Sequence[int] = (),
        whole_machine: bool = True,
        every: float = 10.0,
        cpu: EnergyCounter | None = None,
        gpu: EnergyCounter | None = None,
    ) -> None:
        self.path, self.gpus, self.every = path, list(gpus), every
        self._began, self._cpu_began = time.monotonic(), cpu_seconds()
        measured = cpu or cpu_counter()
        self._cpu_measured = measured is not None
        self._cpu: EnergyCounter | None = measured
        if measured is None:
            self._cpu = Estimate(cpu_seconds, _CORE_WATTS, f"assumed: {_CORE_WATTS:.0f} W for each busy core")
        elif not whole_machine:
            self._cpu = None
        found = (gpu or gpu_counter(self.gpus)) if self.gpus else None
        self._gpu_measured = found is not None
        self._gpu: EnergyCounter | None = found
        if self.gpus and found is None:
            told = f"assumed: {_GPU_WATTS:.0f} W for each GPU as long as the run lasts"
            self._gpu = Estimate(time.monotonic, _GPU_WATTS * len(self.gpus), told)
        self._joules = {"cpu": 0.0, "gpu": 0.0}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="usage", daemon=True)
        self._thread.start()

    def usage(self) -> dict[str, Any]:
        """Return what was used so far, as plain values."""
        with self._lock:
            for name, counter in (("cpu", self._cpu), ("gpu", self._gpu)):
                if counter is not None:
                    with contextlib.suppress(Exception):  # a counter that goes away ends no run
                        self._joules[name] += counter.joules()
            cpu, gpu = (self._joules[name] / _JOULES for name in ("cpu", "gpu"))
        seconds = time.monotonic() - self._began
        counters = {"cpu": self._cpu, "gpu": self._gpu}
        return {
            "seconds": round(seconds, 1),
            "cpu_hours": (cpu_seconds() - self._cpu_began) / 3600,
            "gpu_hours": len(self.gpus) * seconds / 3600,
            "cpu_kwh": cpu,
            "gpu_kwh": gpu,
            "kwh": cpu + gpu,
            "estimated": not self._cpu_measured or (bool(self.gpus) and not self._gpu_measured),
            "basis": {name: counter.basis for name, counter in counters.items() if counter is not None},
        }

    def end(self) -> dict[str, Any]:
        """Stop measuring and return what was used."""
        self._ended.set()
        self._thread.join()
        return self.usage()

    def write(self) -> None:
        """Write the file; a disk that is full, or a folder that is gone, ends no run."""
        with contextlib.suppress(OSError):
            write_json(self.path, self.usage())

    def _watch(self) -> None:
        while not self._ended.wait(self.every):
            self.write()


def read_usage(folder: Path) -> dict[str, Any] | None:
    """Return the sum of what the processes of an attempt have written into `usage`; None where nothing is."""
    found = []
    for path in sorted((folder / FOLDER).glob("rank-*.json")):
        with contextlib.suppress(ClipbioError):
            found.append(dict(read_json(path)))
    return {**added(found), "seconds": max(float(one["seconds"]) for one in found)} if found else None


def forget_usage(folder: Path) -> None:
    """Remove the files of an attempt that has ended."""
    for path in (folder / FOLDER).glob("rank-*.json"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (folder / FOLDER).rmdir()


def added(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of several usages; it is estimated where any of them is, and names every basis."""
    told = list(usages)
    bases = {part: [one["basis"][part] for one in told if part in one.get("basis", {})] for part in ("cpu", "gpu")}
    return {
        "seconds": round(sum(float(one.get("seconds") or 0) for one in told), 1),
        **{key: sum(float(one.get(key) or 0) for one in told) for key in _SUMS},
        "estimated": any(bool(one.get("estimated")) for one in told),
        "basis": {part: "; ".join(dict.fromkeys(words)) for part, words in bases.items() if words},
    }
