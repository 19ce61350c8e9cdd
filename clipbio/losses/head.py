"""The contrastive head: named embeddings, a presence mask and labels in; a loss out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError

__all__ = ["ContrastiveHead", "HeadOutput"]


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """The loss to descend, and what is worth logging (detached)."""

    loss: Tensor
    report: dict[str, Tensor]


class ContrastiveHead(nn.Module):
    """Learnable temperature and a loss term per pair of modalities.

    Args:
        loss: Module called as `loss(first_bD, second_bD, scale, present_b=..., batch=...)`.
        temperature: Initial temperature; a pretrained model brings its own unless this is given.
        learn_temperature: Whether it is trained.
        max_scale: Upper bound of the inverse temperature; 100 as in CLIP.
        pairs: Pairs such as `image-text`.
    """

    def __init__(
        self,
        loss: nn.Module,
        *,
        temperature: float | None = None,
        learn_temperature: bool = True,
        max_scale: float = 100.0,
        pairs: Sequence[str] = ("image-text",),
    ) -> None:
        super().__init__()
        if temperature is not None and not 0.0 < temperature <= 10.0:
            raise ClipbioError(f"loss.temperature={temperature} must lie in (0, 10]")
        if max_scale < 1.0:
            raise ClipbioError(f"loss.max_scale={max_scale} must be at least 1")
        self.loss = loss
        self.max_scale = max_scale
        self.pairs = tuple(_pair(name) for name in pairs)
        self._given = temperature is not None
        # One dimension, not zero: sharded training cannot hold a scalar parameter.
        self.logit_scale = nn.Parameter(
            torch.full((1,), -math.log(temperature or 0.07)), requires_grad=learn_temperature
        )
        self.clamp()

    def start_from(self, logit_scale: float | None) -> None:
        """Take over a pretrained model's log inverse temperature, unless the config gives one."""
        if logit_scale is not None and not self._given:
            with torch.no_grad():
                self.logit_scale.fill_(logit_scale)
            self.clamp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the inverse temperature between 1 and `max_scale`, as CLIP does after each step."""
        self.logit_scale.clamp_(0.0, math.log(self.max_scale))

    def forward(
        self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], labels: dict[str, Tensor]
    ) -> HeadOutput:
        """Sum the loss over all pairs.

        Args:
            embeddings: Unit vectors (b, D) per modality, the rows being the same specimens.
            present: Mask (b,) per modality.
            labels: What `positive_labels` reads.
        """
        scale = self.logit_scale.exp()
        terms = {
            f"{first}-{second}": self.loss(
                embeddings[first],
                embeddings[second],
                scale,
                present_b=present[first] & present[second],
                batch=labels,
            )
            for first, second in self.pairs
        }
        report = {f"loss/{name}": term.detach() for name, term in terms.items()} if len(terms) > 1 else {}
        return HeadOutput(torch.stack(list(terms.values())).sum(), {**report, "logit_scale": scale.detach().squeeze()})


def _pair(name: str) -> tuple[str, str]:
    parts = name.split("-")
    if len(parts) != 2 or parts[0] == parts[1]:
        raise ClipbioError(f"loss.pairs: '{name}' must name two modalities, such as 'image-text'")
    return parts[0], parts[1]
