"""The machine of a run, and the settings of torch that decide its numbers."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

__all__ = ["cpu_model", "machine_facts", "torch_facts"]


def machine_facts() -> dict[str, Any]:
    """Return processor, memory, GPUs and the versions of what drives them."""
    gpus = range(torch.cuda.device_count())
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "memory_gb": _memory_gb(),
        "gpus": [torch.cuda.get_device_name(one) for one in gpus],
        "gpu_memory_gb": [round(torch.cuda.get_device_properties(one).total_memory / 1e9, 1) for one in gpus],
        "driver": _driver() if len(gpus) else None,
        "cuda": torch.version.cuda if len(gpus) else None,
        "cudnn": torch.backends.cudnn.version() if len(gpus) else None,  # type: ignore[no-untyped-call]
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if len(gpus) else None,  # type: ignore[no-untyped-call]
    }


def torch_facts() -> dict[str, Any]:
    """Return threads, instruction set, and which arithmetic is allowed."""
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cuda_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "mkldnn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
    }


def cpu_model() -> str:
    """Return the name of the processor as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _usable_cores() -> int | None:
    # Not on all systems.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):
        return None


def _driver() -> str | None:
    """Return the version of NVIDIA's driver as the kernel module tells it."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return None
    return next((word for word in words if word[0].isdigit() and "." in word), None)
