import itertools

import numpy as np
import pytest
import torch
from key_worlds import animal
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from clipbio.evaluation.hierarchy_space import class_distances
from clipbio.evaluation.taxon_tree import TaxonTree
from clipbio.evaluation.tree_correlation import (
    centroids,
    cophenetic,
    correlation,
    cosine_distances,
    mantel,
    pair_heights,
)

SIX = [animal(f"F{k // 4}", f"G{k // 2}", f"s{k}") for k in range(6)]


def nodes(taxa):
    keys = torch.tensor([one.rank_keys for one in taxa])
    return TaxonTree.from_lineages(keys).nodes(keys)


def vectors(seed=0, size=6):
    return torch.nn.functional.normalize(torch.randn(size, 5, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_heights_count_the_ranks_up_to_the_common_ancestor():
    found = pair_heights(nodes([*SIX[:3], SIX[4], animal("", "G0", "s9"), animal("F9", order="other")]))
    # Itself, genus, family, order; a family that is not known hides no common genus; another order.
    assert found[0].tolist() == [0, 1, 2, 3, 1, 4]
    assert (found == found.T).all()


def test_correlations_are_those_of_scipy():
    distance, height = cosine_distances(vectors()), pair_heights(nodes(SIX))
    upper = np.triu_indices(6, 1)
    assert squareform(distance, checks=False) == pytest.approx(pdist(vectors().double().numpy(), "cosine"), abs=1e-6)
    found = correlation(distance, height, resamples=0)
    assert found.value == pytest.approx(spearmanr(distance[upper], height[upper]).statistic)
    assert (found.interval, found.pairs) == (None, 15)
    joined = cophenetic(distance)
    direct = cophenet(linkage(pdist(vectors().double().numpy(), "cosine"), "average"))
    assert squareform(joined) == pytest.approx(direct, abs=1e-6)
    found = correlation(joined, height, ranked=False, resamples=0)
    assert found.value == pytest.approx(np.corrcoef(direct, height[upper])[0, 1])


def test_only_the_pairs_of_the_mask_count():
    distance, height = cosine_distances(vectors(4)), pair_heights(nodes(SIX))
    inside = np.zeros((6, 6), bool)
    inside[:4, :4] = True
    pairs = list(itertools.combinations(range(4), 2))
    expected = spearmanr([distance[pair] for pair in pairs], [height[pair] for pair in pairs]).statistic
    found = correlation(distance, height, mask_CC=inside, resamples=0)
    assert (found.value, found.pairs) == (pytest.approx(expected), 6)
    # Within a genus all pairs are equally far apart.
    assert correlation(distance, height, mask_CC=height <= 1) is None


def test_the_interval_redraws_whole_taxa():
    # With Pearson's correlation, whose parts need no ranks, a loop over the same draws must agree.
    distance, height = cosine_distances(vectors(2)), pair_heights(nodes(SIX))
    found = correlation(distance, height, ranked=False, resamples=200, seed=5)
    drawn = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), size=200)
    values = []
    for counts in drawn:
        rows = np.repeat(np.arange(6), counts)
        pairs = [(a, b) for a, b in itertools.combinations(rows, 2) if a != b]
        columns = np.array([[distance[pair], height[pair]] for pair in pairs]).T
        if np.ptp(columns[1]) > 0:
            values.append(np.corrcoef(columns)[0, 1])
    assert found.interval == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-9)


def test_a_space_that_is_the_tree_and_one_that_is_not():
    height = pair_heights(nodes([animal(f"F{k // 6}", f"G{k // 3}", f"s{k}") for k in range(18)]))
    assert correlation(height.astype(float), height).value == pytest.approx(1)
    assert mantel(height.astype(float), height, permutations=199) == 1 / 200
    noise = cosine_distances(vectors(1, 18))
    assert mantel(noise, height, permutations=199) > 0.02
    assert mantel(1.0 - height / 10, height, permutations=50) == 1


def test_the_test_of_the_tree_is_that_of_all_orders():
    # With four taxa every order comes; many of them give the same sum, also where it is negative.
    height = pair_heights(nodes(SIX))[:4, :4]
    upper = np.triu_indices(4, 1)
    for seed in range(8):
        distance = cosine_distances(vectors(seed, 4))
        given = spearmanr(distance[upper], height[upper]).statistic
        orders = [np.array(one) for one in itertools.permutations(range(4))]
        found = [spearmanr(distance[upper], height[np.ix_(one, one)][upper]).statistic for one in orders]
        wanted = np.mean(np.array(found) >= given - 1e-9)
        assert mantel(distance, height, permutations=3000, seed=seed) == pytest.approx(wanted, abs=0.04)


def test_species_of_one_vector_are_at_no_distance():
    # In single precision the length of a unit vector is often a little above one.
    same = torch.nn.functional.normalize(torch.randn(200, 7, generator=torch.Generator().manual_seed(0)), dim=1)
    same = same[(same.double().norm(dim=1) > 1)][:3].repeat_interleave(2, dim=0)
    height = pair_heights(nodes(SIX))
    for distance in class_distances(same, same).values():
        assert distance.min() == 0
        assert correlation(cophenetic(distance), height, ranked=False, resamples=0).value > 0


def test_images_meet_texts_in_both_directions():
    images, texts = vectors(5, 4).double(), vectors(6, 4).double()
    found = class_distances(images, texts)
    assert found["image_to_text"][0, 2] == pytest.approx(1 - float(images[0] @ texts[2] + images[2] @ texts[0]) / 2)
    assert found["text"] == pytest.approx(cosine_distances(texts))
    assert found["image"] == pytest.approx(cosine_distances(images))


def test_centroids_are_unit_means():
    images = vectors(3, 5)
    found = centroids(images, torch.tensor([0, 0, 2, 2, 2]), 3)
    assert torch.allclose(found[0], torch.nn.functional.normalize(images[:2].sum(0), dim=0))
    assert found[1].abs().sum() == 0
