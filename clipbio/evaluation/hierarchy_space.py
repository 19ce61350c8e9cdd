"""Figures of the space itself: do distances follow the tree, and how well are the taxa of each rank told apart.

Shape suffixes: N specimens, C classes, R ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.evaluation.ledger import Ledger
from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.separability import PerSpecimen, fisher, nearest_purity, pair_auroc, silhouettes
from clipbio.evaluation.tree_correlation import (
    Correlation,
    cophenetic,
    correlation,
    cosine_distances,
    mantel,
    pair_heights,
)
from clipbio.seeding import rng
from clipbio.taxonomy import RANKS

__all__ = ["Distances", "Sample", "class_distances", "correlation_figures", "draw_rows", "separability_figures"]

SPACE = "hierarchy_space"
_SPECIES = RANKS.index("species")
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Distances:
    """Cosine distances of pairs of species, and the height of their lowest common ancestor."""

    form: str
    distance_P: FloatArray
    height_P: IntArray


@dataclass(frozen=True)
class Sample:
    """Some specimens of a split: rows of it, unit vectors, the taxon of each rank (-1 unknown) and the individual."""

    row_M: IntArray
    vectors_MD: Tensor
    node_MR: IntArray
    own_M: IntArray


def draw_rows(size: int, most: int, *seed: int | str) -> IntArray:
    """Return the numbers of at most `most` things drawn from `size`, in order."""
    if size <= most:
        return np.arange(size)
    rows: IntArray = np.sort(rng("sample", *seed).choice(size, most, replace=False))
    return rows


def class_distances(images_CD: Tensor, texts_CD: Tensor) -> dict[str, FloatArray]:
    """Return the cosine distances of classes by their images, by their texts, and from images to texts.

    The last is the mean of both directions: from images of one to the text of the other, and the reverse.
    """
    cross_CC: FloatArray = np.maximum(1 - (images_CD.double() @ texts_CD.double().T).numpy(), 0.0)
    return {
        "image": cosine_distances(images_CD),
        "text": cosine_distances(texts_CD),
        "image_to_text": (cross_CC + cross_CC.T) / 2,
    }


def correlation_figures(
    ledger: Ledger, node_CR: Tensor, form: str, distance_CC: FloatArray, *, ranks: Sequence[str], permutations: int
) -> Distances | None:
    """Note how cosine distances of classes follow the tree, over all pairs and within the taxa of each rank.

    Args:
        ledger: Where figures are noted.
        node_CR: The classes that the vectors stand for: their node at each rank, -1 for a gap.
        form: What is compared, the variant of the figures.
        distance_CC: Symmetric cosine distances of the classes.
        ranks: Within the taxa of which ranks pairs are compared.
        permutations: Relabellings of the test, 0 for none.
    """
    height_CC = pair_heights(node_CR)
    found = _correlate(ledger, distance_CC, height_CC, form)
    if found is None:
        return None
    _noted(ledger, form, "spearman", found)
    joined = _correlate(ledger, cophenetic(distance_CC), height_CC, form, ranked=False)
    if joined is not None:
        _noted(ledger, form, "cophenetic", joined)
    upper = np.triu_indices(len(height_CC), 1)
    ledger.note(SPACE, form, "kendall", _kendall(distance_CC[upper], height_CC[upper]), n=found.pairs, chance=0.0)
    if permutations:
        seed = ledger.derived("mantel", form)
        ledger.note(SPACE, form, "mantel_p", mantel(distance_CC, height_CC, permutations=permutations, seed=seed))
    ledger.note(SPACE, form, "species", len(height_CC))
    for rank in ranks:
        node_C = node_CR[:, RANKS.index(rank)].numpy()
        inside_CC = (node_C[:, None] == node_C) & (node_C >= 0)
        # Where all pairs are inside one taxon, this is the figure above.
        if not inside_CC.all() and (one := _correlate(ledger, distance_CC, height_CC, form, mask_CC=inside_CC)):
            _noted(ledger, form, f"within_{rank}", one)
    return Distances(form, distance_CC[upper], height_CC[upper])


def _correlate(
    ledger: Ledger,
    distance_CC: FloatArray,
    height_CC: IntArray,
    form: str,
    *,
    mask_CC: NDArray[np.bool_] | None = None,
    ranked: bool = True,
) -> Correlation | None:
    seed = ledger.derived("correlation", form)
    return correlation(distance_CC, height_CC, mask_CC=mask_CC, ranked=ranked, resamples=ledger.bootstrap, seed=seed)


def _noted(ledger: Ledger, form: str, metric: str, found: Correlation) -> None:
    ledger.note(SPACE, form, metric, found.value, n=found.pairs, interval=found.interval, chance=0.0)


def _kendall(first_P: FloatArray, second_P: IntArray) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(first_P, second_P).statistic)


def separability_figures(ledger: Ledger, sample: Sample, ranks: Sequence[str]) -> None:
    """Note for each rank how well the vectors of the sample tell its taxa apart."""
    score_MM = (sample.vectors_MD.double() @ sample.vectors_MD.double().T).numpy()
    height_MM = pair_heights(torch.from_numpy(sample.node_MR))
    for rank in ranks:
        place = RANKS.index(rank)
        known = np.flatnonzero(sample.node_MR[:, place] >= 0)
        taxon, vectors = sample.node_MR[known, place], sample.vectors_MD[known]
        if (ratio := fisher(vectors.double().numpy(), taxon)) is not None:
            ledger.note(SPACE, rank, "fisher", ratio.ratio, n=len(known), chance=ratio.chance)
        found = {
            "silhouette": silhouettes(vectors.numpy(), taxon),
            "purity": nearest_purity(vectors, taxon, sample.own_M[known]),
        }
        if place < _SPECIES:
            found["kin_purity"] = _kin(sample, known, place)
        for metric, values in found.items():
            if values is not None:
                rows = sample.row_M[known[values.row_M]]
                ledger.mean(SPACE, rank, metric, values.value_M, row_M=rows, chance=values.chance)
        if (area := pair_auroc(score_MM, height_MM, sample.own_M, _SPECIES - place)) is not None:
            ledger.note(SPACE, rank, "auroc", area[0], n=area[1], chance=0.5)


def _kin(sample: Sample, known: IntArray, place: int) -> PerSpecimen | None:
    """Tell whether the nearest specimen of another taxon of the next rank is kin; who has no such taxon is left out."""
    below = sample.node_MR[known, place + 1]
    named = np.flatnonzero(below >= 0)
    rows = known[named]
    found = nearest_purity(sample.vectors_MD[rows], sample.node_MR[rows, place], sample.node_MR[rows, place + 1])
    return None if found is None else PerSpecimen(found.value_M, named[found.row_M], found.chance)
