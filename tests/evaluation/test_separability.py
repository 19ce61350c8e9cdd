import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, silhouette_score

from clipbio.evaluation.separability import fisher, nearest_purity, pair_auroc, silhouettes

GENERATOR = np.random.default_rng(0)
TAXON = np.repeat([10, 20, 30], [4, 5, 6])
VECTORS = GENERATOR.normal(size=(15, 4)) + np.eye(4)[TAXON // 10]
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def test_fisher_is_the_ratio_of_scatter_traces():
    between, within = np.zeros((4, 4)), np.zeros((4, 4))
    for taxon in (10, 20, 30):
        own = VECTORS[taxon == TAXON]
        gap = own.mean(axis=0) - VECTORS.mean(axis=0)
        between += len(own) * np.outer(gap, gap)
        within += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0))
    found = fisher(VECTORS, TAXON)
    assert found.ratio == pytest.approx(np.trace(between) / np.trace(within))
    random = [fisher(VECTORS, GENERATOR.permutation(TAXON)).ratio for _ in range(2000)]
    assert found.chance == pytest.approx(np.mean(random), rel=0.05)
    assert fisher(VECTORS, np.arange(15)) is None
    assert fisher(VECTORS, np.zeros(15, int)) is None


def test_silhouettes_are_those_of_scikit_learn():
    found = silhouettes(VECTORS, TAXON)
    assert found.value_M.mean() == pytest.approx(silhouette_score(VECTORS, TAXON, metric="cosine"))
    assert silhouettes(VECTORS, np.ones(15, int)) is None


def test_the_nearest_specimen_is_searched_among_those_that_are_not_barred():
    individual = np.array([0, 0, *range(1, 14)])
    expected, rows = [], []
    for query in range(15):
        others = [k for k in range(15) if individual[k] != individual[query]]
        rows.append(query)
        best = max(others, key=lambda k: VECTORS[k] @ VECTORS[query])
        expected.append(float(TAXON[best] == TAXON[query]))
    found = nearest_purity(torch.from_numpy(VECTORS), TAXON, individual)
    assert found.value_M.tolist() == expected
    assert found.row_M.tolist() == rows


def test_a_neighbour_of_another_taxon_that_is_as_near_counts_against_the_model():
    taxon = np.array([0, 0, 0, 0, 1, 1])
    found = nearest_purity(torch.ones(6, 3) / 3**0.5, taxon, np.arange(6))
    assert found.value_M.tolist() == [0] * 6
    # The second picture stands under both names.
    vectors = torch.eye(3)[[0, 1, 1, 0, 1, 2]]
    assert nearest_purity(vectors, taxon, np.arange(6)).value_M.tolist() == [1, 0, 0, 1, 0, 0]


def test_who_has_no_kin_does_not_ask():
    # Two species of one genus, one of another that stands alone.
    species = np.array([0, 0, 1, 2, 2])
    genus = np.array([5, 5, 5, 6, 6])
    angles = np.deg2rad([0, 2, 30, 10, 80])
    found = nearest_purity(torch.tensor(np.stack([np.cos(angles), np.sin(angles)], axis=1)), genus, species)
    assert found.row_M.tolist() == [0, 1, 2]
    assert found.value_M.tolist() == [0, 0, 0]
    assert found.chance == pytest.approx((1 / 3 + 1 / 3 + 2 / 4) / 3)
    assert nearest_purity(torch.eye(3), np.arange(3), np.arange(3)) is None


def test_the_area_compares_pairs_of_neighbouring_heights():
    score = VECTORS @ VECTORS.T
    height = GENERATOR.integers(1, 4, size=(15, 15))
    height = np.minimum(height, height.T)
    own = np.array([0, 0, *range(1, 14)])
    pairs = [(a, b) for a, b in itertools.combinations(range(15), 2) if height[a, b] in (1, 2) and own[a] != own[b]]
    expected = roc_auc_score([height[pair] == 1 for pair in pairs], [score[pair] for pair in pairs])
    found = pair_auroc(score, height, own, 1)
    assert found[0] == pytest.approx(expected)
    assert found[1] == len(pairs)
    assert pair_auroc(score, height, own, 3) is None
