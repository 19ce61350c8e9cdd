"""The attention of a last block with other weights between places than its own.

Shape suffixes: B batch, L tokens, W width, N heads, E width of a head.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Mixing", "mixed_attention"]

Mixing = Literal["raw", "maskclip", "sclip"]
"""What the tokens of the last block take from each other; see `mixed_attention`."""


class _Parts(NamedTuple):
    """Queries, keys and values, and how the mixed values become the output."""

    q_BNLE: Tensor
    k_BNLE: Tensor
    v_BNLE: Tensor
    scale: float
    output: Any


def mixed_attention(attention: nn.Module, states_BLW: Tensor, mixing: Mixing) -> Tensor:
    """Return what an attention gives where its tokens mix in another way, with its own weights.

    `raw` is the attention as it is. `maskclip` keeps each token to itself: values through the output projection, no
    query and no key (Zhou et al. 2022, https://arxiv.org/abs/2112.01071). `sclip` lets a token look at those that ask
    alike and at those that answer alike, softmax(q q') + softmax(k k'), whose rows sum to two as published (Wang et al.
    2023, https://arxiv.org/abs/2312.01597). All tokens take part, that of the class too.

    Args:
        attention: PyTorch's, or timm's; either may carry adapters.
        states_BLW: Its normalised input.
        mixing: `raw`, `maskclip` or `sclip`.
    """
    parts = _fused(attention, states_BLW) if _is_fused(attention) else _separate(attention, states_BLW)
    return parts.output(_mixed(parts, mixing))  # type: ignore[no-any-return]


def _mixed(parts: _Parts, mixing: Mixing) -> Tensor:
    """Return mixed values_BLW; weights between tokens are computed in single precision, also under autocast."""
    v_BNLE = parts.v_BNLE
    if mixing == "raw":
        v_BNLE = _weights(parts.q_BNLE, parts.k_BNLE, parts.scale).to(v_BNLE.dtype) @ v_BNLE
    elif mixing == "sclip":
        alike_BNLL = _weights(parts.q_BNLE, parts.q_BNLE, parts.scale) + _weights(
            parts.k_BNLE, parts.k_BNLE, parts.scale
        )
        v_BNLE = alike_BNLL.to(v_BNLE.dtype) @ v_BNLE
    return v_BNLE.transpose(1, 2).flatten(2)


def _weights(one_BNLE: Tensor, other_BNLE: Tensor, scale: float) -> Tensor:
    return (scale * (one_BNLE @ other_BNLE.transpose(-2, -1)).float()).softmax(dim=-1)


def _is_fused(attention: nn.Module) -> bool:
    return isinstance(getattr(attention, "base_layer", attention), nn.MultiheadAttention)


def _fused(attention: Any, states_BLW: Tensor) -> _Parts:
    """Take PyTorch's attention apart, whose adapters (`FusedAttention`) are added to its weights."""
    base = getattr(attention, "base_layer", attention)
    inner, out = base.in_proj_weight, getattr(base.out_proj, "base_layer", base.out_proj)
    outer = out.weight
    if base is not attention:
        (inner, inner_delta), (outer, outer_delta) = attention.adapted_weights().values()
        inner, outer = inner + inner_delta, outer + outer_delta
    joined = functional.linear(states_BLW, inner, base.in_proj_bias)
    q_BNLE, k_BNLE, v_BNLE = (_heads(one, base.num_heads) for one in joined.chunk(3, dim=-1))

    def output(mixed_BLW: Tensor) -> Tensor:
        return functional.linear(mixed_BLW, outer, out.bias)

    return _Parts(q_BNLE, k_BNLE, v_BNLE, 1 / math.sqrt(base.head_dim), output)


def _separate(attention: Any, states_BLW: Tensor) -> _Parts:
    """Take timm's attention apart, whose layers are called, so that adapters on them take part."""
    q_BNLE, k_BNLE, v_BNLE = (_heads(one, attention.num_heads) for one in attention.qkv(states_BLW).chunk(3, dim=-1))
    gate = None if attention.gate is None else attention.gate(states_BLW).sigmoid()

    def output(mixed_BLW: Tensor) -> Tensor:
        mixed_BLW = attention.norm(mixed_BLW)
        projected: Tensor = attention.proj(mixed_BLW if gate is None else mixed_BLW * gate)
        return projected

    return _Parts(attention.q_norm(q_BNLE), attention.k_norm(k_BNLE), v_BNLE, float(attention.scale), output)


def _heads(joined_BLW: Tensor, count: int) -> Tensor:
    batch, length, _ = joined_BLW.shape
    return joined_BLW.reshape(batch, length, count, -1).transpose(1, 2)
