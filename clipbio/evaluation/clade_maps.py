"""Maps of one clade after the other: images in the plane, at each rank those of the largest taxon mapped anew.

So do the figures of BioCLIP (Stevens et al. 2024, https://arxiv.org/abs/2311.18803) show what a model has learned; they
leave outliers out, here every image is drawn.

Shape suffixes: M specimens, D dimensions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.hierarchy_detail import Pictures
from clipbio.evaluation.hierarchy_space import Sample
from clipbio.evaluation.metrics import FloatArray
from clipbio.taxonomy import RANKS

__all__ = ["SHOWN", "Clade", "clade_maps", "in_plane"]

SHOWN = 6
_FEWEST = 8


class Clade(NamedTuple):
    """The images of one taxon in the plane; `group_M` numbers the largest taxa of `rank` within it, -1 for others."""

    inside: str
    rank: str
    names: tuple[str, ...]
    group_M: NDArray[np.int64]
    xy_M2: FloatArray
    num_taxa: int


def in_plane(vectors_MD: FloatArray, *, pictures: Pictures, seed: int) -> FloatArray:
    """Place unit vectors in the plane by t-SNE or UMAP with cosine distances.

    t-SNE starts from principal components with a perplexity of 30, or a third of the specimens where they are few.
    """
    if pictures == "umap":
        from umap import UMAP

        with warnings.catch_warnings():
            # A seed costs UMAP its parallel threads, and it says so each time.
            warnings.simplefilter("ignore")
            mapper = UMAP(metric="cosine", n_neighbors=min(15, len(vectors_MD) - 1), random_state=seed)
            placed: FloatArray = np.asarray(mapper.fit_transform(vectors_MD), np.float64)
        return placed
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors_MD) - 1) / 3)
    mapper = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed)
    placed = np.asarray(mapper.fit_transform(vectors_MD), np.float64)
    return placed


def clade_maps(
    sample: Sample, taxa: Sequence[str], ranks: Sequence[str], *, pictures: Pictures, seed: int
) -> Iterator[Clade]:
    """Yield a map of all specimens, then of those of the largest taxon, and so on down to one with a single species.

    Args:
        sample: The specimens.
        taxa: The name of each node of the tree.
        ranks: The ranks to descend, from the highest.
        pictures: How vectors are placed in the plane; `none` yields nothing.
        seed: Seed of the placement.
    """
    rows, inside = np.arange(len(sample.row_M)), ""
    for rank in ranks if pictures != "none" else ():
        node = sample.node_MR[rows, RANKS.index(rank)]
        found, count = np.unique(node[node >= 0], return_counts=True)
        if len(found) > 1 and len(rows) >= _FEWEST:
            largest = found[np.argsort(-count, kind="stable")][:SHOWN]
            group = np.full(len(rows), -1)
            for number, taxon in enumerate(largest):
                group[node == taxon] = number
            xy = in_plane(sample.vectors_MD[rows].numpy(), pictures=pictures, seed=seed)
            yield Clade(inside, rank, tuple(taxa[taxon] for taxon in largest), group, xy, len(found))
        if len(found):
            best = found[count.argmax()]
            rows, inside = rows[node == best], taxa[best]
