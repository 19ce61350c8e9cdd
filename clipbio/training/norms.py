"""Lengths of embeddings before they are normalised, heard from the projections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clipbio.models import MultiTower

__all__ = ["ProjectionNorms"]


class ProjectionNorms:
    """Lengths of the vectors that the projections of a model give, before they are normalised.

    It listens from `attach` to `detach`; a tower that runs in chunks is heard chunk by chunk.
    """

    def __init__(self) -> None:
        self._heard: dict[str, list[Tensor]] = {}
        self._handles: list[Any] = []

    def attach(self, model: MultiTower) -> None:
        """Begin to listen, with nothing heard."""
        self.detach()
        self._heard = {}
        for modality in model.modalities:
            for projection, module in model.tower(modality).projections.items():
                key = modality if projection == "default" else f"{projection}/{modality}"
                self._heard[key] = []
                self._handles.append(module.register_forward_hook(self._hook(key)))

    def _hook(self, key: str) -> Any:
        def listen(module: nn.Module, inputs: Any, vectors_bD: Tensor) -> None:
            self._heard[key].append(vectors_bD.detach().float().norm(dim=-1))

        return listen

    def detach(self) -> None:
        """Stop to listen."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def sums(self, device: torch.device) -> dict[str, Tensor]:
        """Return sum and number of the lengths for each projection (2,), the same keys on every process."""
        found = {}
        for key, parts in self._heard.items():
            norm_b = torch.cat(parts) if parts else torch.zeros(0, device=device)
            found[key] = torch.stack([norm_b.sum(), norm_b.new_tensor(float(len(norm_b)))])
        return found
