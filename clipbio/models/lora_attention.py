"""Adapters on `nn.MultiheadAttention`, whose projections are not layers of their own; imported where peft is wanted."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import MultiheadAttention
from torch import Tensor
from torch.func import functional_call

__all__ = ["FusedAttention"]


class FusedAttention(MultiheadAttention):  # type: ignore[misc]
    """peft's adapters on input and output projection, computed without touching the frozen weights.

    peft (0.21) writes adapters into the weights before each call and takes them out after it: rounding makes the frozen
    weights drift, they are new objects after each call, and the output projection's adapter is added twice.
    """

    def forward(self, query: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """Return what the attention gives with adapted weights."""
        weights = {name: weight + delta for name, (weight, delta) in self.adapted_weights().items()}
        output: tuple[Tensor, Tensor | None] = functional_call(self.base_layer, weights, (query, *args), kwargs)
        return output

    @torch.no_grad()
    def merge(self, *args: Any, **kwargs: Any) -> None:
        """Add the adapters to the frozen weights and take the one of the output projection off."""
        for weight, delta in self.adapted_weights().values():
            weight += delta
        self.base_layer.out_proj = self.base_layer.out_proj.get_base_layer()

    def adapted_weights(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the frozen weights by name, each with what its adapter adds to it."""
        base, output = self.base_layer, self.base_layer.out_proj
        (name,) = self.active_adapters
        return {
            "in_proj_weight": (base.in_proj_weight, self.get_delta_weight(name)),
            "out_proj.base_layer.weight": (output.get_base_layer().weight, output.get_delta_weight(name)),
        }

    def _restore_weights(self) -> None:
        """Do nothing: the weights were never taken out."""
