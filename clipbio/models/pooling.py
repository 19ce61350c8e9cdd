"""From the states of tokens to one feature vector.

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Pooling", "masked_max", "masked_mean"]


class Pooling(nn.Module):
    """Pool states_BLF over the tokens that are there: `mean`, `max`, or the `first` token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, states_BLF: Tensor, mask_BL: Tensor) -> Tensor:
        """Return features_BF; a row without any token gives zeros, but for `first`."""
        if self.kind == "first":
            return states_BLF[:, 0]
        return (masked_max if self.kind == "max" else masked_mean)(states_BLF, mask_BL)


def masked_mean(states_BLF: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the mean over the tokens that are there."""
    weights_BL1 = mask_BL.unsqueeze(-1).to(states_BLF.dtype)
    return (states_BLF * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1).clamp(min=1)


def masked_max(states_BLF: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the largest value of each feature over the tokens that are there."""
    lowest = torch.finfo(states_BLF.dtype).min
    highest_BF = states_BLF.masked_fill(~mask_BL.unsqueeze(-1), lowest).amax(dim=1)
    return highest_BF.masked_fill(~mask_BL.any(dim=1, keepdim=True), 0)
