"""Symmetric InfoNCE with several positives per row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.distributed import world_rank, world_size
from clipbio.errors import ClipbioError, nearest
from clipbio.losses.gather import gather, gather_labels
from clipbio.losses.targets import TARGETS, positive_labels

__all__ = ["InfoNCE"]


class InfoNCE(nn.Module):
    """Cross-entropy of each query's similarities against the uniform distribution over its positives.

    With `instance` targets and one process this is CLIP's loss (Radford et al. 2021); with several positives it is the
    supervised form in which the sum stands outside the logarithm (Khosla et al. 2020, eq. 2). Over several processes
    the loss is local with differentiable gathering, which equals the loss of one process with the whole batch.

    Args:
        targets: `instance`, `text` or `taxon`, see `positive_labels`.
        label_smoothing: Share of the target spread over all present keys.
    """

    def __init__(self, targets: str = "taxon", *, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if targets not in TARGETS:
            raise ClipbioError(f"loss.targets='{targets}' is unknown{nearest(targets, TARGETS)}")
        if not 0.0 <= label_smoothing < 1.0:
            raise ClipbioError(f"loss.label_smoothing={label_smoothing} must lie in [0, 1)")
        self.targets = targets
        self.label_smoothing = label_smoothing

    def forward(
        self, first_bD: Tensor, second_bD: Tensor, scale: Tensor, *, present_b: Tensor, batch: dict[str, Tensor]
    ) -> Tensor:
        """Return the loss of this process; its mean over processes is the loss of the global batch.

        Args:
            first_bD: Unit vectors of one modality.
            second_bD: Unit vectors of the other.
            scale: Inverse temperature.
            present_b: Rows that have both modalities; the others take part in nothing.
            batch: Labels, see `positive_labels`.
        """
        labels_b = positive_labels(batch, self.targets, offset=world_rank() * len(first_bD))
        labels_B, present_B = gather_labels(labels_b), gather_labels(present_b)
        target_bB = (labels_b[:, None] == labels_B[None, :]) & present_B[None, :]
        weight_bB = target_bB / target_bB.sum(dim=1, keepdim=True).clamp(min=1)
        if self.label_smoothing:
            uniform_B = present_B / present_B.sum().clamp(min=1)
            weight_bB = (1 - self.label_smoothing) * weight_bB + self.label_smoothing * uniform_B
        row_loss_b = (
            _cross_entropy(scale * first_bD @ gather(second_bD).T, weight_bB, present_B)
            + _cross_entropy(scale * second_bD @ gather(first_bD).T, weight_bB, present_B)
        ) / 2
        # DDP averages gradients over processes, which may hold unequal numbers of present rows.
        return torch.where(present_b, row_loss_b, 0.0).sum() * (world_size() / present_B.sum().clamp(min=1))


def _cross_entropy(logits_bB: Tensor, weight_bB: Tensor, present_B: Tensor) -> Tensor:
    # A finite floor instead of -inf: a batch in which nothing is present must give zero, not NaN.
    floor = torch.finfo(torch.float32).min
    log_probability_bB = functional.log_softmax(logits_bB.float().masked_fill(~present_B, floor), dim=1)
    return -(weight_bB * log_probability_bB).sum(dim=1)
