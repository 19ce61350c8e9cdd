"""How fast a device computes: known GPUs from a table, a CPU by one matrix product."""

from __future__ import annotations

import os
import time

import torch

__all__ = ["UTILISATION", "device_memory", "device_rate"]

# Operations per second of dense matrix products: in bf16 (fp16 where a GPU has no bf16), and in 32 bits as PyTorch does
# them by default. From the makers' data sheets; the first name that is found in that of the device counts.
_GPUS = {
    "B200": (2250e12, 75e12),
    "H200": (989e12, 67e12),
    "GH200": (989e12, 67e12),
    "H100 PCIe": (756e12, 51e12),
    "H100": (989e12, 67e12),
    "A100": (312e12, 19.5e12),
    "L40S": (362e12, 91e12),
    "L40": (181e12, 90e12),
    "L4": (121e12, 30e12),
    "A40": (150e12, 37e12),
    "A30": (165e12, 10e12),
    "A10": (125e12, 31e12),
    "RTX A6000": (155e12, 39e12),
    "RTX 4090": (165e12, 83e12),
    "RTX 3090": (71e12, 36e12),
    "V100": (112e12, 15.7e12),
    "T4": (65e12, 8.1e12),
}
# Share of it that training reaches: from small convolutions to large transformers.
UTILISATION = {"cpu": (0.15, 0.9), "cuda": (0.1, 0.5)}


def device_rate(device: torch.device, precision: str) -> float | None:
    """Return operations per second of a device; None for one that is not known."""
    if device.type == "cpu":
        return _matmul_rate()
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    found = next((rates for known, rates in _GPUS.items() if known in name), None)
    return None if found is None else found[0 if "16" in precision else 1]


def device_memory(device: torch.device) -> int:
    """Return the bytes of memory of a device; of the machine for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _matmul_rate(size: int = 512, seconds: float = 0.05) -> float:
    """Return what matrix products of 32 bits do on all threads of PyTorch.

    The clock is that of the processor: on a busy machine others have their share of the time between.
    """
    left = right = torch.ones(size, size)
    best, spent = float("inf"), 0.0
    while spent < seconds:
        began = time.process_time()
        left @ right
        taken = max(time.process_time() - began, 1e-6)
        best, spent = min(best, taken), spent + taken
    return 2 * size**3 / best * torch.get_num_threads()
