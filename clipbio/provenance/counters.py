"""Counters of energy: of the processors by RAPL, of NVIDIA GPUs by NVML."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

__all__ = ["EnergyCounter", "Estimate", "Nvml", "Rapl", "cpu_counter", "cpu_seconds", "gpu_counter"]

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """Something that tells how many joules were used since it was asked last."""

    basis: str

    def joules(self) -> float:
        """Return the joules since the last call, or since it was made."""
        ...


class Rapl:
    """Energy of the processors and their memory, whoever used them.

    Args:
        domains: Folders of the kernel's power capping.
    """

    basis = "RAPL counters of the whole machine"

    def __init__(self, domains: Sequence[Path]) -> None:
        # A counter begins anew when it is full, after some minutes under load.
        self._full = {one: _number(one / "max_energy_range_uj") for one in domains}
        self._before = {one: _number(one / "energy_uj") for one in domains}

    def joules(self) -> float:
        """Return the joules since the last call; to be called before a counter can have run round twice."""
        total = 0
        for domain, before in self._before.items():
            now = self._before[domain] = _number(domain / "energy_uj")
            total += now - before if now >= before else now - before + self._full[domain]
        return total / 1e6


class Nvml:
    """Energy of the GPUs of this process.

    Args:
        nvml: The module `pynvml`, started.
        handles: NVML's handles of the GPUs.
    """

    basis = "NVML counters of the GPUs"

    def __init__(self, nvml: Any, handles: Sequence[Any]) -> None:
        self._nvml, self._handles = nvml, list(handles)
        self._before = [nvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in self._handles]

    def joules(self) -> float:
        """Return the joules since the last call."""
        now = [self._nvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in self._handles]
        used = sum(now) - sum(self._before)
        self._before = now
        return float(used) / 1e3


class Estimate:
    """Energy as busy seconds times an assumed power.

    Args:
        seconds: Returns the busy seconds so far.
        watts: Assumed power.
        basis: What was assumed, in words.
    """

    def __init__(self, seconds: Any, watts: float, basis: str) -> None:
        self._seconds, self._watts, self.basis = seconds, watts, basis
        self._before = seconds()

    def joules(self) -> float:
        """Return the joules since the last call."""
        before, self._before = self._before, self._seconds()
        return float((self._before - before) * self._watts)


def cpu_counter(powercap: Path = POWERCAP) -> Rapl | None:
    """Return the counter of the processors; None where the system has none or lets only its administrator read it."""
    domains = [one for one in sorted(powercap.glob("intel-rapl:*")) if _is_counted(one)]
    try:
        return Rapl(domains) if domains else None
    except (OSError, ValueError):
        return None


def gpu_counter(devices: Sequence[int]) -> Nvml | None:
    """Return the counter of GPUs by torch's numbers; None without the package `nvidia-ml-py` or on older GPUs."""
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        names = (f"GPU-{torch.cuda.get_device_properties(one).uuid}" for one in devices)
        return Nvml(nvml, [nvml.nvmlDeviceGetHandleByUUID(name) for name in names])
    except Exception:  # NVML raises errors of its own, whose class is there only where the package is
        return None


def cpu_seconds() -> float:
    """Return the processor time of this process and of those of its children that have ended."""
    spent = time.process_time()
    try:
        import resource  # not on all systems
    except ImportError:
        return spent
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent + ended.ru_utime + ended.ru_stime


def _is_counted(domain: Path) -> bool:
    """Tell packages and their memory from cores, which are part of a package, and from the sum of all (`psys`)."""
    try:
        return (domain / "name").read_text(encoding="ascii").strip().startswith(("package", "dram"))
    except OSError:
        return False


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
