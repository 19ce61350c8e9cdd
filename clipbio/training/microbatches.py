"""Large batches on small machines: towers run piece by piece, and the loss still sees the whole batch.

One full loss and one backward pass: unlike gradient accumulation, no negative is lost. It is gradient caching (Gao et
al. 2021) by means of `torch.utils.checkpoint`: each piece is encoded without keeping its activations and is encoded
once more in the backward pass, with the same dropout.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipbio.models import MultiTower, Tower

__all__ = ["encode", "warn_of_batch_statistics"]

log = logging.getLogger(__name__)


def encode(
    model: MultiTower, inputs: Mapping[str, Tensor], *, projection: str = "default", size: int | None = None
) -> dict[str, Tensor]:
    """Return unit vectors (b, D) for each modality in `inputs`.

    Args:
        model: Towers.
        inputs: Pixels, tokens or cached features (b, ...) per modality.
        projection: Projection to use.
        size: Rows that a tower encodes at once; None encodes all of them.
    """
    return {name: _encode(model.tower(name), rows, projection, size) for name, rows in inputs.items()}


def _encode(tower: Tower, rows: Tensor, projection: str, size: int | None) -> Tensor:
    if size is None or len(rows) <= size:
        vectors_BD: Tensor = tower(rows, projection)
        return vectors_BD
    if tower.frozen:
        # No activation of the trunk is kept anyway: encoding a second time would buy nothing.
        features_BF = torch.cat([tower.features(piece) for piece in torch.split(rows, size)])
        return tower.project(features_BF, projection)
    return torch.cat([checkpoint(tower, piece, projection, use_reentrant=False) for piece in torch.split(rows, size)])


def warn_of_batch_statistics(model: MultiTower) -> None:
    """Say that normalisation over the batch becomes one over a piece, and counts each piece twice."""
    for name in model.modalities:
        tower = model.tower(name)
        if not tower.frozen and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in tower.trunk.modules()):
            log.warning(
                "the %s tower normalises over the batch: with micro_batch_size its statistics are those of a piece",
                name,
            )
