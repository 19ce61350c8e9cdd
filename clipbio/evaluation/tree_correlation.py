"""Do distances between vectors follow the tree: correlations over pairs of taxa, with intervals over redrawn taxa.

Shape suffixes: C taxa (rows of a square matrix), R ranks, B resamples, D dimensions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.metrics import FloatArray, Interval, percentiles

__all__ = ["Correlation", "centroids", "cophenetic", "correlation", "cosine_distances", "mantel", "pair_heights"]

BoolArray = NDArray[np.bool_]
_LEAST = 1e-15


class Correlation(NamedTuple):
    """A correlation over pairs, its 95 % interval over redrawn taxa, and the number of pairs."""

    value: float
    interval: Interval | None
    pairs: int


def centroids(vectors_ND: Tensor, class_N: Tensor, num_classes: int) -> Tensor:
    """Return the mean of the unit vectors of each class, normalised again; zeros for a class without any."""
    sums_CD = torch.zeros(num_classes, vectors_ND.shape[1])
    sums_CD.index_add_(0, class_N.cpu(), vectors_ND.float().cpu())
    return torch.nn.functional.normalize(sums_CD, dim=1)


def cosine_distances(vectors_CD: Tensor) -> FloatArray:
    """Return one minus the cosine of each pair of unit vectors, symmetric with zeros on the diagonal.

    Equal vectors are at 0, which rounding must not make less: linkage refuses negative distances.
    """
    unit_CD = vectors_CD.double().cpu()
    distance_CC: FloatArray = np.maximum(1 - (unit_CD @ unit_CD.T).numpy(), 0.0)
    np.fill_diagonal(distance_CC, 0.0)
    return (distance_CC + distance_CC.T) / 2


def pair_heights(node_CR: Tensor) -> NDArray[np.int64]:
    """Return the height of the lowest common ancestor of each pair, in ranks.

    0 is one and the same species, 1 two species of a genus, one per rank further up; all ranks if nothing is shared.
    Ranks that are not known are not shared, but what is shared below them counts.
    """
    num_ranks = node_CR.shape[1]
    height_CC = np.full((len(node_CR), len(node_CR)), num_ranks, np.int64)
    for rank, column in enumerate(node_CR.cpu().numpy().T):
        same_CC = (column[:, None] == column) & (column >= 0)
        height_CC[same_CC] = num_ranks - 1 - rank
    return height_CC


def correlation(
    distance_CC: FloatArray,
    height_CC: NDArray[np.int64],
    *,
    mask_CC: BoolArray | None = None,
    ranked: bool = True,
    resamples: int = 1000,
    seed: int = 0,
) -> Correlation | None:
    """Return how distances correlate with heights over the pairs of different taxa.

    For the interval taxa are redrawn with all their pairs; a taxon that is drawn twice makes no pair with itself. The
    ranks of a rank correlation stay those of the full set.

    Args:
        distance_CC: Symmetric distances.
        height_CC: Symmetric heights in the tree.
        mask_CC: Pairs that count; None is all.
        ranked: True: Spearman's correlation; False: Pearson's.
        resamples: Resamples of the interval, 0 for none.
        seed: Seed of the interval.

    Returns:
        None where there are fewer than three pairs, or nothing varies.
    """
    from scipy.stats import rankdata

    size = len(distance_CC)
    kept_CC = np.triu(np.ones((size, size), bool), 1) & (True if mask_CC is None else mask_CC)
    first, second = distance_CC[kept_CC], height_CC[kept_CC].astype(np.float64)
    if len(first) < 3 or np.ptp(first) < _LEAST or np.ptp(second) < _LEAST:
        return None
    if ranked:
        first, second = rankdata(first), rankdata(second)
    first, second = (one - one.mean() for one in (first, second))
    terms = (np.ones_like(first), first, second, first * second, first**2, second**2)
    sums_61 = np.array([[one.sum()] for one in terms])
    interval = None
    if resamples:
        generator = np.random.default_rng(seed)
        drawn_BC = generator.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
        sums_6B = np.stack([_weighted(one, kept_CC, drawn_BC) for one in terms])
        found_B = _pearson(sums_6B)
        found_B = found_B[np.isfinite(found_B)]
        interval = percentiles(found_B) if len(found_B) else None
    return Correlation(float(_pearson(sums_61)[0]), interval, len(first))


def _weighted(values_P: FloatArray, kept_CC: BoolArray, drawn_BC: FloatArray) -> FloatArray:
    """Return for each resample the sum over pairs, each as often as both of its taxa were drawn."""
    matrix_CC = np.zeros(kept_CC.shape)
    matrix_CC[kept_CC] = values_P
    sums_B: FloatArray = ((drawn_BC @ matrix_CC) * drawn_BC).sum(axis=1)
    return sums_B


def _pearson(sums_6B: FloatArray) -> FloatArray:
    count, x, y, xy, xx, yy = sums_6B
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((xx - x * x / count) * (yy - y * y / count))
        found_B: FloatArray = np.where(spread > _LEAST, (xy - x * y / count) / spread, np.nan)
    return found_B


def cophenetic(distance_CC: FloatArray) -> FloatArray:
    """Return the heights at which average linkage joins each pair (Sokal & Rohlf 1962), as a square matrix."""
    from scipy.cluster.hierarchy import cophenet, linkage
    from scipy.spatial.distance import squareform

    if len(distance_CC) < 2:
        return np.zeros_like(distance_CC)
    joined: FloatArray = squareform(cophenet(linkage(squareform(distance_CC, checks=False), method="average")))
    return joined


def mantel(distance_CC: FloatArray, height_CC: NDArray[np.int64], *, permutations: int, seed: int = 0) -> float:
    """Return the one-sided p-value of Spearman's correlation under relabelled taxa (Mantel 1967).

    It is the share of permutations, the given order counted as one, with a correlation at least as high.
    """
    from scipy.stats import rankdata

    upper = np.triu_indices(len(distance_CC), 1)
    matrices = []
    for one in (distance_CC, height_CC):
        matrix_CC = np.zeros(one.shape)
        ranks = rankdata(one[upper])
        matrix_CC[upper] = ranks - ranks.mean()
        matrices.append(matrix_CC + matrix_CC.T)
    first, second = matrices
    generator = np.random.default_rng(seed)
    # Sums of the same numbers in another order differ by rounding: they are as high.
    least = (first * second).sum() - 1e-12 * np.abs(first * second).sum()
    hits = 0
    for _ in range(permutations):
        order = generator.permutation(len(first))
        hits += int((first * second[np.ix_(order, order)]).sum() >= least)
    return (1 + hits) / (1 + permutations)
