"""What the benchmarks share: the line that each case prints, and a process of its own for a side."""

from __future__ import annotations

import json
import multiprocessing
import re
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["alone", "chosen", "line", "resident", "start_peak"]

T = TypeVar("T")


def line(name: str, *, ours: float, peer: float, peer_name: str, unit: str, less_is_better: bool, **extra: Any) -> str:
    """Return the JSON line of a case; `ratio` is how many times better than the peer."""
    ratio = peer / max(ours, 1e-12) if less_is_better else ours / max(peer, 1e-12)
    values = {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "ratio": ratio, **extra}
    return json.dumps({key: _short(value) for key, value in values.items()})


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def alone(function: Callable[..., T], *args: Any) -> T:
    """Return what a function gives in a fresh process, which ends with it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def start_peak() -> int:
    """Forget the largest resident memory of this process; return what is resident now, in bytes."""
    # 5 resets the peak (man 5 proc).
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(key: str = "VmHWM") -> int:
    """Return the largest resident memory since `start_peak`, in bytes, or with VmRSS the present one."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found, f"/proc/self/status has no {key}"
    return int(found.group(1)) * 1024


def chosen(cases: list[str], patterns: list[str]) -> list[str]:
    """Return the cases that the patterns ask for: all without any, a name without wildcards as it stands."""
    if not patterns:
        return cases
    found = []
    for pattern in patterns:
        matching = [case for case in cases if fnmatch(case, pattern)]
        if not matching and any(mark in pattern for mark in "*?["):
            sys.exit(f"no case matches '{pattern}'; there are: {', '.join(cases)}")
        found += matching or [pattern]
    return list(dict.fromkeys(found))
