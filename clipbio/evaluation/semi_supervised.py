"""K-means in which some images have a known class, and the match of clusters to classes.

Shape suffixes: N images, K clusters, C classes, D dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["matched", "semi_supervised_kmeans"]

IntArray = NDArray[np.int64]

_TOLERANCE = 1e-4


def semi_supervised_kmeans(
    vectors_ND: Tensor, known_N: Tensor, num_clusters: int, *, iterations: int, inits: int, seed: int
) -> Tensor:
    """Return the cluster of each image; those with a known class stay in the cluster of its number.

    The first centres are the means of the known images of each class; the others are drawn by k-means++ from the
    images without a class. Of several starts the one with the smallest sum of squared distances is kept. A cluster that
    loses all its images keeps its centre.

    Source: Vaze et al. 2022, Generalized category discovery, arXiv:2201.02609.

    Args:
        vectors_ND: Vectors of all images.
        known_N: Class of each image, from 0 without gaps, -1 where it is to be found out.
        num_clusters: How many clusters there are, with those of known classes.
        iterations: Rounds at most; it ends earlier once centres move no more.
        inits: Number of starts.
        seed: Seed of the starts.
    """
    # The generator of the published code: the first start draws the same numbers.
    generator = np.random.RandomState(seed % 2**32)
    best: tuple[float, Tensor] | None = None
    for _ in range(inits):
        centres_KD = _first_centres(vectors_ND, known_N, num_clusters, generator)
        found = _rounds(vectors_ND, known_N, centres_KD, iterations)
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None
    return best[1]


def _first_centres(vectors_ND: Tensor, known_N: Tensor, num_clusters: int, generator: np.random.RandomState) -> Tensor:
    num_known = int(known_N.max()) + 1
    centres_KD = _means(
        vectors_ND[known_N >= 0], known_N[known_N >= 0], vectors_ND.new_zeros(num_known, vectors_ND.shape[1])
    )
    free_MD = vectors_ND[known_N < 0]
    length_M = (free_MD**2).sum(dim=1)
    nearest_M = torch.full((len(free_MD),), torch.inf)
    if num_known:
        nearest_M = _squares(free_MD, centres_KD, length_M).amin(dim=1)
    drawn: list[Tensor] = []
    for _ in range(num_clusters - num_known):
        # Without known classes the first one is any image.
        weight_M = nearest_M.double() if num_known or drawn else torch.ones(len(free_MD), dtype=torch.float64)
        sums_M = (weight_M / weight_M.sum()).cumsum(0)
        place = min(int(torch.searchsorted(sums_M, generator.rand())), len(free_MD) - 1)
        drawn.append(free_MD[place])
        nearest_M = torch.minimum(nearest_M, _squares(free_MD, drawn[-1][None], length_M)[:, 0])
    return torch.cat([centres_KD, *(one[None] for one in drawn)])


def _rounds(vectors_ND: Tensor, known_N: Tensor, centres_KD: Tensor, iterations: int) -> tuple[float, Tensor]:
    """Return the sum of squared distances and the cluster of each image after the last round."""
    free_N = known_N < 0
    free_MD, own_ND = vectors_ND[free_N], vectors_ND[~free_N]
    length_M = (free_MD**2).sum(dim=1)
    cluster_N, total = known_N.clone(), 0.0
    for _ in range(iterations):
        nearest_M, cluster_M = _squares(free_MD, centres_KD, length_M).min(dim=1)
        cluster_N[free_N] = cluster_M
        total = float(nearest_M.double().sum() + ((own_ND - centres_KD[known_N[~free_N]]) ** 2).double().sum())
        moved_KD = _means(vectors_ND, cluster_N, centres_KD)
        shift = float((moved_KD - centres_KD).norm(dim=1).sum())
        centres_KD = moved_KD
        if shift**2 < _TOLERANCE:
            break
    return total, cluster_N


def _means(vectors_ND: Tensor, cluster_N: Tensor, centres_KD: Tensor) -> Tensor:
    """Return the mean of each cluster; of an empty one the centre it had."""
    count_K1 = torch.bincount(cluster_N, minlength=len(centres_KD))[:, None]
    sums_KD = torch.zeros_like(centres_KD).index_add_(0, cluster_N, vectors_ND)
    return torch.where(count_K1 > 0, sums_KD / count_K1.clamp(min=1), centres_KD)


def _squares(vectors_ND: Tensor, centres_KD: Tensor, length_N: Tensor) -> Tensor:
    """Return squared distances, given the squared lengths of the vectors."""
    lengths_NK = length_N[:, None] + (centres_KD**2).sum(dim=1)
    return torch.addmm(lengths_NK, vectors_ND, centres_KD.T, alpha=-2).clamp_(min=0)


def matched(cluster_N: IntArray, class_N: IntArray) -> NDArray[np.bool_]:
    """Tell which images lie in the cluster that stands for their class, under the one-to-one match that suits best."""
    from scipy.optimize import linear_sum_assignment

    counts_KC = np.zeros((int(cluster_N.max(initial=-1)) + 1, int(class_N.max(initial=-1)) + 1), np.int64)
    np.add.at(counts_KC, (cluster_N, class_N), 1)
    rows, columns = linear_sum_assignment(counts_KC, maximize=True)
    class_of_K = np.full(len(counts_KC), -1)
    class_of_K[rows] = columns
    return np.asarray(class_of_K[cluster_N] == class_N)
