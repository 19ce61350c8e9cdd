"""From trunk features to the shared space.

Shape suffixes: B batch, F features, D dimensions of the shared space.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.errors import ClipbioError, nearest

__all__ = ["INPUT_NORMS", "PROJECTIONS", "Projection", "build_projection"]

PROJECTIONS = ("pretrained", "linear", "mlp", "identity")
INPUT_NORMS = ("none", "layer", "l2")


class Projection(nn.Module):
    """Map features_BF to vectors_BD: normalise the input, drop out, then apply `body`. The output is not normalised."""

    def __init__(
        self, body: nn.Module, *, width: int, dim: int, dropout: float = 0.0, input_norm: str = "none"
    ) -> None:
        super().__init__()
        self.width = width
        self.dim = dim
        self.input_norm = _input_norm(input_norm, width)
        self.dropout = nn.Dropout(dropout)
        self.body = body

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return vectors_BD."""
        vectors_BD: Tensor = self.body(self.dropout(self.input_norm(features_BF)))
        return vectors_BD


def _input_norm(kind: str, width: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "layer":
        return nn.LayerNorm(width)
    if kind == "l2":
        return UnitLength()
    raise ClipbioError(f"unknown input_norm '{kind}'{nearest(kind, INPUT_NORMS)}")


class UnitLength(nn.Module):
    """Scale each row to unit length times the square root of its width, so that elements are about one."""

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return the scaled rows."""
        scaled_BF: Tensor = functional.normalize(features_BF, dim=-1) * math.sqrt(features_BF.shape[-1])
        return scaled_BF


def build_projection(
    kind: str,
    width: int,
    *,
    dim: int,
    hidden: int | None = None,
    dropout: float = 0.0,
    input_norm: str = "none",
    identity_start: bool = False,
) -> Projection:
    """Return a new projection from `width` features to `dim`.

    `mlp` has one hidden layer with GELU and the same dropout. `identity_start` lets a square `linear` begin as the
    identity, so that training starts from the geometry of the pretrained encoder.
    """
    body: nn.Module
    if identity_start and (kind != "linear" or width != dim):
        raise ClipbioError(f"identity_start needs projection=linear and model.dim={width}, the width of the trunk")
    if kind == "linear":
        body = nn.Linear(width, dim, bias=False)
        nn.init.eye_(body.weight) if identity_start else nn.init.normal_(body.weight, std=width**-0.5)
    elif kind == "mlp":
        middle = hidden or dim
        body = nn.Sequential(nn.Linear(width, middle), nn.GELU(), nn.Dropout(dropout), nn.Linear(middle, dim))
    elif kind == "identity":
        if width != dim:
            raise ClipbioError(f"projection=identity keeps {width} features, but {dim} are asked for; use linear")
        body = nn.Identity()
    else:
        raise ClipbioError(f"unknown projection '{kind}'{nearest(kind, PROJECTIONS)}")
    return Projection(body, width=width, dim=dim, dropout=dropout, input_norm=input_norm)


def linear_from(weight_FD: Tensor) -> nn.Linear:
    """Return a bias-free linear layer that multiplies by `weight_FD` from the right."""
    layer = nn.Linear(weight_FD.shape[0], weight_FD.shape[1], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight_FD.T)
    return layer
