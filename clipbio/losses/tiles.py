"""Sums over all pairs of two sets of vectors, tile by tile: the logits are never held as a whole.

Each process brings its own rows and all columns, so that every logit of the global batch is computed once, by one
process; what belongs to a column is combined over processes. The gradient is computed from logits made anew, tile by
tile, as in online softmax (Milakov & Gimelshein 2018). Peak memory grows with rows plus columns.

Shape suffixes: n rows of this process, M columns of the global batch, c rows of a tile, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from clipbio.distributed import world_size

__all__ = ["Relate", "Weights", "log_sum_exp_terms", "sigmoid_terms", "tiles"]

# Logits of one tile: small enough for the caches of a CPU, large enough for its matrix product. A GPU wants to be busy.
TILE_ELEMENTS = 2**20
GPU_TILE_ELEMENTS = 2**25
# Stands for minus infinity, whose products with zero would be NaN.
FLOOR = -1e30


class Weights(NamedTuple):
    """What a tile's pairs are to each other: how much of a positive (c, M), and which pairs count for nothing."""

    positive_cM: Tensor
    ignored_cM: Tensor | None


Relate = Callable[[slice], Weights]


def tiles(rows: int, columns_MD: Tensor) -> Iterator[slice]:
    """Cut rows so that a tile of logits with all columns has a bounded number of elements."""
    elements = TILE_ELEMENTS if columns_MD.device.type == "cpu" else GPU_TILE_ELEMENTS
    size = max(1, min(rows, elements // max(len(columns_MD), 1)))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _without_autocast(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Switch autocast off in a backward pass, as the caller does in the forward pass."""

    def wrapped(ctx: Any, gradient: Tensor, *others: Tensor) -> Any:
        with torch.autocast(gradient.device.type, enabled=False):
            return backward(ctx, gradient, *others)

    return wrapped


class _LogSumExp(torch.autograd.Function):
    """Sum of a_i lse_i over rows and b_j lse_j over columns, less the weighted logits of positives, if given."""

    @staticmethod
    def forward(
        ctx: Any,
        rows_nD: Tensor,
        columns_MD: Tensor,
        scale: Tensor,
        row_weight_n: Tensor,
        column_weight_M: Tensor,
        relate: Relate | None,
        positive_row_n: Tensor | None,
        positive_column_M: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        row_lse_n = rows_nD.new_empty(len(rows_nD))
        row_positive_n = torch.zeros_like(row_lse_n)
        top_M = rows_nD.new_full((len(columns_MD),), FLOOR)
        sum_M = torch.zeros_like(top_M)
        linear = rows_nD.new_zeros(())
        for tile in tiles(len(rows_nD), columns_MD):
            logits_cM = (scale * rows_nD[tile]) @ columns_MD.T
            if relate is not None:
                assert positive_row_n is not None
                assert positive_column_M is not None
                weights = relate(tile)
                weighted_cM = weights.positive_cM * logits_cM
                row_positive_n[tile] = weighted_cM.sum(1)
                linear += (positive_row_n[tile] * row_positive_n[tile]).sum() + (weighted_cM @ positive_column_M).sum()
                if weights.ignored_cM is not None:
                    logits_cM.masked_fill_(weights.ignored_cM, FLOOR)
            row_lse_n[tile] = torch.logsumexp(logits_cM, 1).clamp_(min=FLOOR)
            higher_M = torch.maximum(top_M, logits_cM.amax(0))
            sum_M.mul_((top_M - higher_M).exp_()).add_(logits_cM.sub_(higher_M).exp_().sum(0))
            top_M = higher_M
        column_lse_M = _combine(top_M, sum_M)
        ctx.save_for_backward(
            rows_nD, columns_MD, scale, row_weight_n, column_weight_M, row_lse_n, column_lse_M,
            positive_row_n, positive_column_M,
        )  # fmt: skip
        ctx.relate = relate
        value = (row_weight_n * row_lse_n).sum() + (column_weight_M * column_lse_M).sum() / world_size() - linear
        ctx.mark_non_differentiable(row_lse_n, row_positive_n)
        return value, row_lse_n, row_positive_n

    @staticmethod
    @_without_autocast
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        (
            rows_nD, columns_MD, scale, row_weight_n, column_weight_M, row_lse_n, column_lse_M,
            positive_row_n, positive_column_M,
        ) = ctx.saved_tensors  # fmt: skip
        # exp(z - lse) times a weight is exp(z + shift): one pass less over the tile.
        row_shift_n = row_weight_n.log() - row_lse_n
        column_shift_M = column_weight_M.log() - column_lse_M
        rows_gradient_nD, columns_gradient_MD = torch.empty_like(rows_nD), torch.zeros_like(columns_MD)
        for tile in tiles(len(rows_nD), columns_MD):
            logits_cM = (scale * rows_nD[tile]) @ columns_MD.T
            weights = None if ctx.relate is None else ctx.relate(tile)
            if weights is not None and weights.ignored_cM is not None:
                logits_cM.masked_fill_(weights.ignored_cM, FLOOR)
            slope_cM = (logits_cM + column_shift_M).exp_()
            slope_cM += logits_cM.add_(row_shift_n[tile, None]).exp_()
            if weights is not None:
                slope_cM -= weights.positive_cM * (positive_row_n[tile, None] + positive_column_M)
            torch.mm(slope_cM, columns_MD, out=rows_gradient_nD[tile])
            columns_gradient_MD.addmm_(slope_cM.T, rows_nD[tile])
        return (*_scaled(gradient, scale, rows_nD, rows_gradient_nD, columns_gradient_MD), *[None] * 5)


class _Softplus(torch.autograd.Function):
    """Sum of softplus(z) over all pairs that count, less the weighted logits of positives, if given."""

    @staticmethod
    def forward(
        ctx: Any, rows_nD: Tensor, columns_MD: Tensor, scale: Tensor, bias: Tensor, relate: Relate | None
    ) -> tuple[Tensor, Tensor]:
        row_n = rows_nD.new_empty(len(rows_nD))
        for tile in tiles(len(rows_nD), columns_MD):
            logits_cM = torch.addmm(bias, scale * rows_nD[tile], columns_MD.T)
            if relate is None:
                row_n[tile] = functional.softplus(logits_cM).sum(1)
                continue
            weights = relate(tile)
            row_n[tile] = -(weights.positive_cM * logits_cM).sum(1)
            if weights.ignored_cM is not None:
                logits_cM.masked_fill_(weights.ignored_cM, FLOOR)
            row_n[tile] += functional.softplus(logits_cM).sum(1)
        ctx.save_for_backward(rows_nD, columns_MD, scale, bias)
        ctx.relate = relate
        ctx.mark_non_differentiable(row_n)
        return row_n.sum(), row_n

    @staticmethod
    @_without_autocast
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        rows_nD, columns_MD, scale, bias = ctx.saved_tensors
        rows_gradient_nD, columns_gradient_MD = torch.empty_like(rows_nD), torch.zeros_like(columns_MD)
        bias_gradient = torch.zeros_like(bias)
        for tile in tiles(len(rows_nD), columns_MD):
            slope_cM = torch.addmm(bias, scale * rows_nD[tile], columns_MD.T)
            weights = None if ctx.relate is None else ctx.relate(tile)
            if weights is not None and weights.ignored_cM is not None:
                slope_cM.masked_fill_(weights.ignored_cM, FLOOR)
            slope_cM.sigmoid_()
            if weights is not None:
                slope_cM -= weights.positive_cM
            bias_gradient += slope_cM.sum()
            torch.mm(slope_cM, columns_MD, out=rows_gradient_nD[tile])
            columns_gradient_MD.addmm_(slope_cM.T, rows_nD[tile])
        scaled = _scaled(gradient, scale, rows_nD, rows_gradient_nD, columns_gradient_MD)
        return (*scaled, gradient * bias_gradient, None)


def _scaled(
    gradient: Tensor, scale: Tensor, rows_nD: Tensor, rows_gradient_nD: Tensor, columns_gradient_MD: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn gradients of unscaled logits into those of rows, columns and scale."""
    # Sum over pairs of slope times similarity, without the similarities.
    scale_gradient = (rows_nD * rows_gradient_nD).sum().reshape(scale.shape)
    factor = gradient * scale
    return rows_gradient_nD.mul_(factor), columns_gradient_MD.mul_(factor), gradient * scale_gradient


def _combine(top_M: Tensor, sum_M: Tensor) -> Tensor:
    """Return the log of a sum of exponentials whose parts lie on all processes; finite even of an empty sum."""
    if world_size() > 1:
        highest_M = top_M.clone()
        dist.all_reduce(highest_M, dist.ReduceOp.MAX)
        sum_M = sum_M * (top_M - highest_M).exp()
        dist.all_reduce(sum_M)
        top_M = highest_M
    return top_M + sum_M.clamp(min=torch.finfo(sum_M.dtype).tiny).log()


def log_sum_exp_terms(
    rows_nD: Tensor,
    columns_MD: Tensor,
    scale: Tensor,
    *,
    row_weight_n: Tensor,
    column_weight_M: Tensor,
    relate: Relate | None = None,
    positive_row_n: Tensor | None = None,
    positive_column_M: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return this process's share of the log-sum-exp terms; the sum over processes is that of the global batch.

    Args:
        rows_nD: Queries of this process.
        columns_MD: Keys of the global batch.
        scale: Inverse temperature (1,).
        row_weight_n: Weight of the log-sum-exp of each row over all columns.
        column_weight_M: Weight of the log-sum-exp of each column over the rows of all processes.
        relate: Positives and ignored pairs of a tile. With it the logits of positives, weighted by `positive_row_n`
            plus `positive_column_M`, are subtracted.
        positive_row_n: See `relate`.
        positive_column_M: See `relate`.

    Returns:
        The value, and without gradient the log-sum-exp of each row and the sum of its positives' weighted logits.
    """
    value, row_lse_n, row_positive_n = _LogSumExp.apply(
        rows_nD, columns_MD, scale, row_weight_n, column_weight_M, relate, positive_row_n, positive_column_M
    )
    return value, row_lse_n, row_positive_n


def sigmoid_terms(
    rows_nD: Tensor, columns_MD: Tensor, scale: Tensor, bias: Tensor, *, relate: Relate | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sum of softplus(scale * similarity + bias) over this process's rows, and each row's part of it.

    With `relate`, ignored pairs are left out and the weighted logits of positives are subtracted.
    """
    value, row_n = _Softplus.apply(rows_nD, columns_MD, scale, bias, relate)
    return value, row_n
