"""What is worth watching while a contrastive model is trained, as pure functions.

Everything is a sum over rows, or made of such sums: added up over processes it is exact for the global batch. Shape
suffixes: B global batch, b own share, D dimensions, R ranks, T kinds of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from clipbio.text import TEXT_TYPES

__all__ = [
    "OTHER_TYPE",
    "Moments",
    "duplicate_share",
    "effective_rank",
    "mean_gap",
    "means_by_type",
    "moments",
    "sums_by_type",
]

OTHER_TYPE = "other"
_TYPES = (*TEXT_TYPES, OTHER_TYPE)


def duplicate_share(label_B: Tensor) -> float:
    """Return the share of rows whose label stands in the batch more than once; -1 is no label and equals nothing."""
    if not len(label_B):
        return 0.0
    known = label_B[label_B >= 0]
    _, count = torch.unique(known, return_counts=True)
    return float(count[count > 1].sum()) / len(label_B)


class Moments(NamedTuple):
    """Number, sum_D and sum of outer products_DD of vectors, as one tensor each that can be added up."""

    number: Tensor
    sum_D: Tensor
    outer_DD: Tensor


def moments(vectors_bD: Tensor, present_b: Tensor) -> Moments:
    """Return the moments of the rows that are present."""
    kept = torch.where(present_b[:, None], vectors_bD.float(), 0.0)
    return Moments(present_b.sum().float(), kept.sum(dim=0), kept.T @ kept)


def effective_rank(outer_DD: Tensor) -> float:
    """Return how many dimensions vectors fill: the exponential of the entropy of their normalised spectrum.

    The spectrum is that of the squared singular values, the eigenvalues of the sum of outer products; without the
    square it is the measure of Roy and Vetterli 2007 (https://ieeexplore.ieee.org/document/7098875). Vectors that are
    all the same have 1, an orthonormal basis has its number; NaN where nothing is there or something is not finite.
    """
    if not bool(torch.isfinite(outer_DD).all()) or not bool(outer_DD.any()):
        return float("nan")
    # On the CPU: there it is quick for any D that embeddings have, and always in double precision.
    spectrum = torch.linalg.eigvalsh(outer_DD.double().cpu()).clamp(min=0)
    share = spectrum / spectrum.sum()
    return float(torch.special.entr(share).sum().exp())


def mean_gap(one: Moments, other: Moments) -> float:
    """Return the distance between the means of two modalities (Liang et al. 2022, https://arxiv.org/abs/2203.02053)."""
    return float((one.sum_D / one.number - other.sum_D / other.number).norm())


def sums_by_type(value_b: Tensor, text_types: Sequence[str]) -> Tensor:
    """Return sum and number of the values that are not NaN for each kind of text (T, 2).

    The kinds are a fixed list, the last one for kinds outside it: processes that see different kinds can add up.
    """
    place = {name: number for number, name in enumerate(_TYPES)}
    kinds_b = torch.tensor([place.get(name, len(_TYPES) - 1) for name in text_types], device=value_b.device)
    kept_b = ~value_b.isnan()
    pairs_b2 = torch.stack([torch.where(kept_b, value_b, 0.0), kept_b], dim=1).float()
    return pairs_b2.new_zeros(len(_TYPES), 2).index_add_(0, kinds_b, pairs_b2)


def means_by_type(sums_T2: Tensor) -> dict[str, float]:
    """Return the mean of each kind of text that occurred."""
    pairs = zip(_TYPES, sums_T2.tolist(), strict=True)
    return {name: total / count for name, (total, count) in pairs if count}
