"""A projection as the one linear layer that others can hold.

Shape suffixes: F features, D dimensions of the shared space.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clipbio.models.projections import Projection, Standardise, UnitLength

__all__ = ["Affine", "affine_of", "what_it_is"]


class Affine(NamedTuple):
    """Weight (D, F) and bias (D,) of a linear layer."""

    weight_DF: Tensor
    bias_D: Tensor | None

    @property
    def is_identity(self) -> bool:
        """Tell whether it changes nothing."""
        rows, columns = self.weight_DF.shape
        return self.bias_D is None and rows == columns and torch.equal(self.weight_DF, torch.eye(rows))


def affine_of(projection: Projection) -> Affine | None:
    """Return the linear layer whose output, as a unit vector, is that of a projection; None if there is no such layer.

    Dropout does nothing in use, and scaling a row to unit length before a layer without bias changes no direction.
    """
    layer = _linear(projection.body, projection.width)
    norm = projection.input_norm
    if layer is None or isinstance(norm, nn.LayerNorm) or (isinstance(norm, UnitLength) and layer.bias_D is not None):
        return None
    if not isinstance(norm, Standardise):
        return layer
    scale_F = (norm.variance.detach() + 1e-6).rsqrt()
    weight_DF = layer.weight_DF * scale_F
    shift_D = -weight_DF @ norm.mean.detach()
    return Affine(weight_DF, shift_D if layer.bias_D is None else layer.bias_D + shift_D)


def what_it_is(projection: Projection) -> str:
    """Say what a projection is made of, for a message."""
    body = projection.body
    kind = "a linear layer" if _linear(body, projection.width) is not None else f"an MLP ({type(body).__name__})"
    norm = {nn.Identity: "", nn.LayerNorm: "layer", UnitLength: "l2", Standardise: "standard"}[
        type(projection.input_norm)
    ]
    return f"{kind} behind input_norm={norm}" if norm else kind


def _linear(body: nn.Module, width: int) -> Affine | None:
    if isinstance(body, nn.Identity):
        return Affine(torch.eye(width), None)
    if isinstance(body, nn.Sequential) and all(isinstance(one, nn.Dropout | nn.Linear) for one in body):
        linear = [one for one in body if isinstance(one, nn.Linear)]
        body = linear[0] if len(linear) == 1 else body
    if not isinstance(body, nn.Linear):
        return None
    return Affine(body.weight.detach(), None if body.bias is None else body.bias.detach())
