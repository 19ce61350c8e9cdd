"""From classes to the taxa of a higher rank: what the answers of zero-shot classification say of genus or family.

Shape suffixes: N images, C classes, D dimensions, G taxa of a rank; n is one block of images, c one tile of classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipbio.evaluation.metrics import SCORE_TOLERANCE
from clipbio.evaluation.top_k import Prototypes, class_tiles

__all__ = ["RolledUp", "roll_up", "taxon_numbers"]

# 256 MiB of float32 for the probabilities of a block of images.
_PROBABILITIES_AT_ONCE = 1 << 26
_IMAGES_AT_ONCE = 2048


@dataclass(frozen=True)
class RolledUp:
    """The answers at one rank, as ranks of the true taxon (0 is right), on the CPU.

    `best_N`: the best class mapped to its taxon, 1 where it is another taxon's or a tie with one. `summed_N`: taxa by
    the sum of the softmax probabilities of their classes, as pybioclip answers; ties count against the model.
    """

    best_N: Tensor
    summed_N: Tensor


def taxon_numbers(keys: Sequence[int]) -> tuple[Tensor, int]:
    """Return the taxon of each class as a number from 0, -1 where its key is -1 (unknown), and how many taxa."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key >= 0))}
    return torch.tensor([numbers.get(key, -1) for key in keys], dtype=torch.long), len(numbers)


def roll_up(
    images_ND: Tensor, prototypes: Prototypes, taxon_C: Tensor, target_N: Tensor, *, highest_N: Tensor, scale: float
) -> RolledUp:
    """Judge at a rank, tile by tile: no matrix of images by classes, and one by taxa for some images at a time.

    Args:
        images_ND: Unit vectors of the images.
        prototypes: Unit vectors of the classes; chunks are read several times.
        taxon_C: The taxon of each class, numbered from 0, -1 for unknown: such classes take probability and are never
            right.
        target_N: The true taxon of each image.
        highest_N: The score of the best class of each image, from `top_k`.
        scale: Inverse temperature of the softmax.
    """
    num_taxa = int(taxon_C.max()) + 1
    rows = max(1, min(_IMAGES_AT_ONCE, _PROBABILITIES_AT_ONCE // (num_taxa + 1)))
    taxon_C, target_N, highest_N = (one.to(images_ND.device) for one in (taxon_C, target_N, highest_N))
    parts = [
        _block(images_ND[block].float(), prototypes, taxon_C, target_N[block], highest_N[block], scale)
        for block in (slice(start, start + rows) for start in range(0, len(images_ND), rows))
    ]
    return RolledUp(torch.cat([one.best_N for one in parts]), torch.cat([one.summed_N for one in parts]))


def _block(
    images_nD: Tensor, prototypes: Prototypes, taxon_C: Tensor, target_n: Tensor, highest_n: Tensor, scale: float
) -> RolledUp:
    num_taxa = int(taxon_C.max()) + 1
    own_n = torch.full_like(highest_n, -torch.inf)
    other_n = own_n.clone()
    # Classes of unknown taxon go to one more row at the end.
    sums_Gn = torch.zeros(num_taxa + 1, len(images_nD), device=images_nD.device)
    for first, tile_cD in class_tiles(prototypes, images_nD):
        taxon_c = taxon_C[first : first + len(tile_cD)]
        scores_cn = tile_cD @ images_nD.T
        is_own_cn = taxon_c[:, None] == target_n
        own_n = torch.maximum(own_n, scores_cn.masked_fill(~is_own_cn, -torch.inf).amax(dim=0))
        other_n = torch.maximum(other_n, scores_cn.masked_fill(is_own_cn, -torch.inf).amax(dim=0))
        exponentials_cn = scores_cn.sub_(highest_n).mul_(scale).exp_()
        sums_Gn.index_add_(0, torch.where(taxon_c < 0, num_taxa, taxon_c), exponentials_cn)
    # "not below", as everywhere in this house: a tie counts against the model, and NaN never helps.
    best_n = (~(other_n < own_n - SCORE_TOLERANCE)).long()
    # The tolerance of a score, as a factor of the probability that is made of it.
    limit_n = sums_Gn.gather(0, target_n[None])[0] * math.exp(-scale * SCORE_TOLERANCE)
    summed_n = num_taxa - 1 - (sums_Gn[:num_taxa] < limit_n).sum(dim=0)
    return RolledUp(best_n.cpu(), summed_n.cpu())
