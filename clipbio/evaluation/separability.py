"""How well vectors tell the taxa of one rank apart, without any classifier.

Shape suffixes: N specimens, D dimensions, R ranks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.metrics import SCORE_TOLERANCE, FloatArray
from clipbio.evaluation.rejection import count_scores, open_figures

__all__ = ["Fisher", "PerSpecimen", "fisher", "nearest_purity", "pair_auroc", "silhouettes"]

IntArray = NDArray[np.int64]


class PerSpecimen(NamedTuple):
    """One value for each of some specimens, their rows, and what luck would give on average."""

    value_M: FloatArray
    row_M: IntArray
    chance: float | None = None


class Fisher(NamedTuple):
    """Sum of squares between taxa over that within them, and the ratio of their expectations for random taxa."""

    ratio: float
    chance: float


def fisher(vectors_ND: FloatArray, taxon_N: IntArray) -> Fisher | None:
    """Return the ratio of the traces of the scatter matrices between and within taxa (Fisher 1936).

    None with fewer than two taxa, or where no taxon has two specimens.
    """
    number_N = np.unique(taxon_N, return_inverse=True)[1].reshape(-1)
    taxa, size = int(number_N.max(initial=-1)) + 1, len(number_N)
    if taxa < 2 or taxa == size:
        return None
    sums = np.zeros((taxa, vectors_ND.shape[1]))
    np.add.at(sums, number_N, vectors_ND)
    means = sums / np.bincount(number_N)[:, None]
    within = float(((vectors_ND - means[number_N]) ** 2).sum())
    total = float(((vectors_ND - vectors_ND.mean(axis=0)) ** 2).sum())
    return Fisher((total - within) / max(within, 1e-12), (taxa - 1) / (size - taxa))


def silhouettes(vectors_ND: FloatArray, taxon_N: IntArray) -> PerSpecimen | None:
    """Return the silhouette of each specimen by cosine distance (Rousseeuw 1987); None unless 2 <= taxa < specimens."""
    from sklearn.metrics import silhouette_samples

    if not 2 <= len(np.unique(taxon_N)) < len(taxon_N):
        return None
    values: FloatArray = silhouette_samples(vectors_ND, taxon_N, metric="cosine").astype(np.float64)
    return PerSpecimen(values, np.arange(len(taxon_N)))


def nearest_purity(vectors_ND: Tensor, taxon_N: IntArray, barred_N: IntArray) -> PerSpecimen | None:
    """Tell whether the nearest specimen is of the same taxon, leaving out those with the same value of `barred_N`.

    Barred is the individual, or the taxon of the next rank below: then a neighbour is right only if it is kin. Who has
    no specimen of its taxon that is not barred does not ask. One of another taxon that is as near counts against the
    model. Chance is a neighbour drawn at random.
    """
    score_NN = (vectors_ND.double() @ vectors_ND.double().T).numpy()
    same_NN = taxon_N[:, None] == taxon_N
    free_NN = barred_N[:, None] != barred_N
    asks_N = (same_NN & free_NN).any(axis=1)
    if not asks_N.any():
        return None
    own_N, other_N = (np.where(free_NN & one_NN, score_NN, -np.inf).max(axis=1) for one_NN in (same_NN, ~same_NN))
    right_N = other_N < own_N - SCORE_TOLERANCE
    rows = np.flatnonzero(asks_N)
    chance = float(((same_NN & free_NN).sum(axis=1) / np.maximum(1, free_NN.sum(axis=1)))[rows].mean())
    return PerSpecimen(right_N[rows].astype(np.float64), rows, chance)


def pair_auroc(score_NN: FloatArray, height_NN: IntArray, own_N: IntArray, height: int) -> tuple[float, int] | None:
    """Return how surely a pair that first agrees at a height is more similar than one that agrees one rank higher up.

    Both kinds share the taxon above. Pairs that agree further down are left out, so that what holds for species is not
    counted again for families. Pairs of one individual do not count.

    Returns:
        The area under the ROC curve, where ties count half, and the number of pairs; None if one kind has none.
    """
    counted_NN = np.triu(np.ones(score_NN.shape, bool), 1) & (own_N[:, None] != own_N)
    same, other = (score_NN[counted_NN & (height_NN == one)] for one in (height, height + 1))
    if not len(same) or not len(other):
        return None
    counts = count_scores(same, np.ones(len(same), bool), other)
    return open_figures(counts)["auroc"], len(same) + len(other)
