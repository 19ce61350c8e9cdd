"""From trunk features to the shared space.

Shape suffixes: B batch, F features, D dimensions of the shared space.
"""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from clipbio.errors import ClipbioError, nearest

__all__ = ["INPUT_NORMS", "PROJECTIONS", "Projection", "Standardise", "build_projection"]

PROJECTIONS = ("pretrained", "linear", "mlp", "identity")
INPUT_NORMS = ("none", "layer", "l2", "standard")
# Share of a batch in the running statistics, once they have met many.
_MOMENTUM = 0.01


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
    if kind == "standard":
        return Standardise(width)
    raise ClipbioError(f"unknown input_norm '{kind}'{nearest(kind, INPUT_NORMS)}")


class UnitLength(nn.Module):
    """Scale each row to unit length times the square root of its width, so that elements are about one."""

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return the scaled rows."""
        scaled_BF: Tensor = functional.normalize(features_BF, dim=-1) * math.sqrt(features_BF.shape[-1])
        return scaled_BF


class Standardise(nn.Module):
    """Subtract the mean of each feature and divide by its spread, both as they ran in training.

    Features that all point one way, such as a BERT's over barcodes (mean cosine .99), hardly move under a linear layer
    otherwise. Unlike batch norm it treats a row the same alone and in any batch: a step is computed with the statistics
    before it, and what it met is taken in afterwards by `settle`, that of all processes together.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor
    met: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        # Number of rows, sum and sum of squares since the last `settle`; in double precision, for means far from zero.
        self.register_buffer("met", torch.zeros(2 * width + 1, dtype=torch.float64), persistent=False)

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return the standardised rows; in training they are remembered for `settle`."""
        # A single row is the placeholder of a process that has none.
        if self.training and len(features_BF) > 1:
            self._remember(features_BF.detach().double())
        scaled_BF: Tensor = (features_BF - self.mean) * (self.variance + 1e-6).rsqrt()
        return scaled_BF

    @torch.no_grad()
    def _remember(self, features_BF: Tensor) -> None:
        number = features_BF.new_full((1,), len(features_BF))
        self.met += torch.cat([number, features_BF.sum(dim=0), features_BF.square().sum(dim=0)])

    @torch.no_grad()
    def settle(self) -> None:
        """Take in what all processes met since the last time; each process must call it."""
        if dist.is_initialized():
            dist.all_reduce(self.met)
        if self.met[0] > 1:
            mean_F, square_F = (self.met[1:] / self.met[0]).chunk(2)
            self._take_in(mean_F, (square_F - mean_F.square()).clamp(min=0))
        self.met.zero_()

    def forget(self) -> None:
        """Take in nothing of what this process met since the last time."""
        self.met.zero_()

    def _take_in(self, mean_F: Tensor, variance_F: Tensor) -> None:
        self.batches += 1
        share = (1 / self.batches).clamp(min=_MOMENTUM)
        change_F = mean_F - self.mean
        # The variance of a mixture: those of its parts and that between their means; the first batch replaces all.
        inside_F = torch.lerp(self.variance.double(), variance_F, share.double())
        self.variance.copy_(inside_F + share * (1 - share) * change_F.square())
        self.mean.add_((share * change_F).to(self.mean.dtype))


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
