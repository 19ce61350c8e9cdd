"""How much a training step computes, and how fast this machine multiplies matrices."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from clipbio.models import ImageTrunk, MultiTower, openclip
from clipbio.models.openclip_trunks import OpenClipText

__all__ = ["matmul_rate", "step_flops"]

COUNTED_ROWS = 2


def step_flops(model_name: str, texts: Sequence[str], batch_size: int, trimmed: bool) -> float:
    """Return the FLOPs of both towers on one batch, forward and backward.

    Args:
        model_name: An architecture of open_clip.
        texts: Texts of the data set; seeded batches of them tell how many columns are computed.
        batch_size: Rows of a batch.
        trimmed: Whether columns behind the last text are cut, as our tower does; otherwise all are computed.
    """
    model = openclip(model_name).train()
    trunk = model.tower("text").trunk
    assert isinstance(trunk, OpenClipText)
    tokens_NL = trunk.tokenizer(texts)
    generator = torch.Generator().manual_seed(0)
    lengths = []
    for _ in range(16):
        rows = torch.randint(len(texts), (batch_size,), generator=generator)
        lengths.append(trunk.trim(tokens_NL[rows]).shape[1] if trimmed else trunk.context_length)
    return sum(_flops(model, length) for length in lengths) / len(lengths) * batch_size


def _flops(model: MultiTower, length: int) -> float:
    """Return the FLOPs per sample with texts of one length."""
    trunk = model.tower("image").trunk
    assert isinstance(trunk, ImageTrunk)
    height, width = trunk.spec.size
    pixels = torch.zeros(COUNTED_ROWS, 3, height, width, dtype=torch.uint8)
    tokens = torch.ones(COUNTED_ROWS, length, dtype=torch.long)
    tokens[:, -1] = 49407
    with FlopCounterMode(display=False) as counter:
        vectors = model({"image": pixels, "text": tokens})
        torch.autograd.backward([vector.sum() for vector in vectors.values()])
    model.zero_grad()
    return float(counter.get_total_flops()) / COUNTED_ROWS


def matmul_rate(device: str) -> float:
    """Return FLOPs per second of a large matrix product: fp32 on a CPU, bf16 on a GPU; the best of several."""
    size, dtype = (8192, torch.bfloat16) if device == "cuda" else (2048, torch.float32)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        nn.functional.linear(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best
