"""SimpleShot: the nearest centroid of centred, normalised examples (Wang et al. 2019, https://arxiv.org/abs/1911.04623).

Shape suffixes: N specimens, C classes, K shots, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.evaluation.metrics import SCORE_TOLERANCE

__all__ = ["simple_shot"]

_NUMBERS_AT_ONCE = 1 << 22


def simple_shot(support_CKD: Tensor, vectors_ND: Tensor, *, renormalise: bool) -> Tensor:
    """Return the class of each vector, by matrix products over some of them at a time.

    The mean of all examples is subtracted from examples and vectors, all are normalised, and the centroid of a class is
    the mean of its examples. Memory grows with neither the product of vectors and classes nor that with dimensions.

    Args:
        support_CKD: Unit vectors of the examples.
        vectors_ND: Unit vectors to be placed.
        renormalise: Normalise the centroids too and take the highest cosine: a class whose examples happen to differ,
            so that their mean is short, is then neither favoured nor put back. A tie is no class, -1. Otherwise the
            smallest Euclidean distance to the mean as it is, of equal ones the first: the published form.
    """
    mean_D = support_CKD.mean(dim=(0, 1))
    centroid_CD = functional.normalize(support_CKD - mean_D, dim=-1).mean(dim=1)
    if renormalise:
        centroid_CD = functional.normalize(centroid_CD, dim=-1)
    # |q - c|^2 = |q|^2 - 2 (q c - |c|^2 / 2), and |q| is the same for all classes.
    half_C = centroid_CD.square().sum(dim=1) / 2
    rows = max(1, _NUMBERS_AT_ONCE // max(1, *centroid_CD.shape))
    parts = [torch.zeros(0, dtype=torch.long)]
    for chunk_ND in torch.split(vectors_ND, rows):
        scores_NC = functional.normalize(chunk_ND - mean_D, dim=1) @ centroid_CD.T
        parts.append(_single_best(scores_NC) if renormalise else (scores_NC - half_C).argmax(dim=1))
    return torch.cat(parts)


def _single_best(scores_NC: Tensor) -> Tensor:
    best, place = scores_NC.topk(min(2, scores_NC.shape[1]), dim=1)
    is_tied = best[:, -1] >= best[:, 0] - SCORE_TOLERANCE if best.shape[1] > 1 else torch.zeros(len(best)).bool()
    return place[:, 0].masked_fill(is_tied, -1)
