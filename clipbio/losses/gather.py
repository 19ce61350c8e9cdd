"""Gathering of embeddings across processes, with gradients for every process's share.

The gradient of a local loss over gathered embeddings is right only if it flows back to the processes that the
embeddings came from; the form without it is silently wrong and is not offered here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from clipbio.distributed import world_rank, world_size

__all__ = ["gather", "gather_labels"]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_bD: Tensor) -> Tensor:
        pieces = [torch.empty_like(rows_bD) for _ in range(world_size())]
        dist.all_gather(pieces, rows_bD.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # gloo has no reduce_scatter for every dtype: sum everything, keep our own rows.
        gradient_BD = gradients[0].contiguous()
        dist.all_reduce(gradient_BD)
        return gradient_BD.chunk(world_size())[world_rank()]


def gather(rows_bD: Tensor) -> Tensor:
    """Return the rows of all processes (B, D) in the order of ranks; gradients reach the process a row came from.

    Every process must bring the same number of rows.
    """
    if world_size() == 1:
        return rows_bD
    gathered: Tensor = _Gather.apply(rows_bD)
    return gathered


def gather_labels(labels_b: Tensor) -> Tensor:
    """Return the labels or masks of all processes (B, ...), without gradients."""
    if world_size() == 1:
        return labels_b
    pieces = [torch.empty_like(labels_b) for _ in range(world_size())]
    dist.all_gather(pieces, labels_b.contiguous())
    return torch.cat(pieces)
