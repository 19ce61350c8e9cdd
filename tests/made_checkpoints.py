"""Checkpoints of a few tensors."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from clipbio.checkpoint_files import CHECKPOINT_FORMAT, LAST
from clipbio.training.atomic_checkpoints import AtomicCheckpoints


def state(step: int, size: int = 1000) -> dict[str, Any]:
    """Return a checkpoint with tied weights and something that is no tensor and changes."""
    weight = torch.full((size,), float(step))
    return {
        "clipbio": {"format": CHECKPOINT_FORMAT, "config": {}},
        "global_step": step,
        "state_dict": OrderedDict(a=weight, tied=weight, part=torch.arange(4.0)[1:3]),
        "callbacks": {"scores": [step]},
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


def save(folder: Path, *steps: int) -> None:
    writer = AtomicCheckpoints()
    for step in steps:
        writer.save_checkpoint(state(step), folder / LAST)
