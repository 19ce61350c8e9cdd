"""Large batches on small machines: towers run piece by piece, and the loss still sees the whole batch.

One full loss and one backward pass: unlike gradient accumulation, no negative is lost. It is gradient caching (Gao et
al. 2021) by means of `torch.utils.checkpoint`: a trunk encodes each piece without keeping its activations and encodes
it once more in the backward pass, with the same dropout. Features are small: the projection sees all of them at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipbio.models import MultiTower, Tower

__all__ = ["encode", "warn_of_batch_statistics"]

log = logging.getLogger(__name__)


def encode(
    model: MultiTower,
    inputs: Mapping[str, Tensor],
    present: Mapping[str, Tensor] | None = None,
    *,
    projection: str = "default",
    size: int | None = None,
) -> dict[str, Tensor]:
    """Return unit vectors (b, D) for each modality in `inputs`, zeros in the rows that do not have it.

    A tower runs on the rows that are present alone. Where there are none it runs on the first one, whose vector goes
    nowhere: every process then takes part in what towers exchange, and every weight has a gradient.

    Args:
        model: Towers.
        inputs: Pixels, tokens or cached features (b, ...) per modality.
        present: Mask (b,) per modality; None where all rows have everything.
        projection: Projection to use.
        size: Rows that a tower encodes at once; None encodes all of them.
    """
    masks = present or {}
    return {
        name: _encode(model.tower(name), rows, masks.get(name), projection, size or max(1, len(rows)))
        for name, rows in inputs.items()
    }


def _encode(tower: Tower, rows: Tensor, present_b: Tensor | None, projection: str, size: int) -> Tensor:
    if present_b is not None and bool(present_b.all()):
        present_b = None
    if len(rows) <= size:
        return _of_present(lambda chosen: tower(chosen, projection), rows, present_b)
    # By place, not by what is present: every process must have the same number of pieces.
    pieces = torch.split(rows, size)
    masks = [None] * len(pieces) if present_b is None else list(torch.split(present_b, size))

    def again(chosen: Tensor) -> Tensor:
        features_nF: Tensor = checkpoint(tower.features, chosen, use_reentrant=False)
        return features_nF

    # No activation of a frozen trunk is kept anyway: encoding a second time would buy nothing.
    run = tower.features if tower.frozen else again
    features_bF = torch.cat([_of_present(run, piece, mask) for piece, mask in zip(pieces, masks, strict=True)])
    return _of_present(lambda chosen: tower.project(chosen, projection), features_bF, present_b)


def _of_present(compute: Callable[[Tensor], Tensor], rows: Tensor, present_b: Tensor | None) -> Tensor:
    """Return what is computed of the rows that are present, scattered into zeros."""
    if present_b is None:
        return compute(rows)
    place_n = present_b.nonzero().squeeze(1)
    found_nD = compute(rows[place_n] if len(place_n) else rows[:1])[: len(place_n)]
    return found_nD.new_zeros(len(rows), found_nD.shape[1]).index_copy(0, place_n, found_nD)


def warn_of_batch_statistics(model: MultiTower) -> None:
    """Say that normalisation over the batch becomes one over a piece, and counts each piece twice."""
    for name in model.modalities:
        tower = model.tower(name)
        if not tower.frozen and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in tower.trunk.modules()):
            log.warning(
                "the %s tower normalises over the batch: with micro_batch_size its statistics are those of a piece",
                name,
            )
