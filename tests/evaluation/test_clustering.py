import itertools

import numpy as np
import pytest
import torch
from annotated_worlds import Noted, no_text, noted_split
from sklearn.cluster import KMeans

from clipbio.errors import ClipbioError
from clipbio.evaluation.clustering import Clustering
from clipbio.evaluation.semi_supervised import matched, semi_supervised_kmeans


def herbarium(*, per_class=12, old=4, new=3, noise=0.5, dim=12, seed=0):
    """Classes around centres of their own; the last one is said to be of no set."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(old + new, dim, generator=generator)
    named, vectors = [], []
    for number in range(old + new):
        for _ in range(per_class):
            vectors.append(centre[number] + noise * torch.randn(dim, generator=generator))
            named.append(Noted({"class_set": "old" if number < old else "New"}, label=f"class {number}"))
    return noted_split("train", torch.stack(vectors), named)


def by_loops(vectors, known, clusters, rounds, seed):
    """Semi-supervised k-means, distance by distance."""
    generator = np.random.RandomState(seed)
    free = [row for row in range(len(vectors)) if known[row] < 0]
    centres = [vectors[known == number].mean(axis=0) for number in range(known.max() + 1)]
    while len(centres) < clusters:
        gap = np.array([min(((vectors[row] - one) ** 2).sum() for one in centres) for row in free])
        centres.append(vectors[free[int(np.argmax(np.cumsum(gap / gap.sum()) >= generator.rand()))]])
    found = known.copy()
    for _ in range(rounds):
        for row in free:
            found[row] = np.argmin([((vectors[row] - one) ** 2).sum() for one in centres])
        centres = [
            vectors[found == one].mean(axis=0) if (found == one).any() else centres[one] for one in range(clusters)
        ]
    return found


@pytest.mark.parametrize("seed", [0, 3])
def test_clusters_are_those_of_plain_loops(seed):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(60, 5))
    known = np.where(np.arange(60) < 20, np.arange(60) % 3, -1)
    found = semi_supervised_kmeans(
        torch.from_numpy(vectors), torch.from_numpy(known), 6, iterations=4, inits=1, seed=seed
    )
    assert found.tolist() == by_loops(vectors, known, 6, 4, seed).tolist()


def test_without_labels_it_is_the_k_means_of_scikit_learn():
    vectors = herbarium(old=0, new=5, noise=0.1).images.vectors_ND
    found = semi_supervised_kmeans(vectors, torch.full((60,), -1), 5, iterations=50, inits=4, seed=0)
    wanted = KMeans(5, n_init=4, random_state=0).fit(vectors.numpy())
    assert len(set(zip(found.tolist(), wanted.labels_.tolist()))) == 5
    centres = torch.stack([vectors[found == one].mean(dim=0) for one in range(5)])
    assert float(((vectors - centres[found]) ** 2).sum()) == pytest.approx(wanted.inertia_, rel=1e-4)


def test_the_match_is_the_best_of_all():
    generator = np.random.default_rng(0)
    for _ in range(5):
        cluster, true = generator.integers(0, 5, 40), generator.integers(0, 4, 40)
        best = max(sum(one[c] == t for c, t in zip(cluster, true)) for one in itertools.permutations(range(5)))
        assert matched(cluster, true).sum() == best


def test_figures_are_of_unlabelled_images_under_one_match():
    data = herbarium()
    result = Clustering(bootstrap=20).run(data, no_text)
    found = result.metrics
    everything = next(one for one in result.answers if one.variant == "all")
    # 80 % of twelve are ten.
    assert [found[f"clustering/train/{one}/accuracy/n"] for one in ("all", "old", "new")] == [4 * 2 + 36, 8, 36]
    assert [found[f"clustering/train/all/{one}"] for one in ("clusters", "labelled", "unlabelled")] == [7, 40, 0]
    assert found["clustering/train/all/accuracy"] == everything.value_N.mean()
    parts = [found[f"clustering/train/{one}/accuracy"] * n for one, n in (("old", 8), ("new", 36))]
    assert sum(parts) == pytest.approx(found["clustering/train/all/accuracy"] * 44)
    assert found["clustering/train/all/accuracy/low"] <= found["clustering/train/all/accuracy"] <= 1
    assert found["clustering/train/all/accuracy"] > 0.8


def test_the_draw_of_labels_follows_ids_and_seed():
    ids = [Clustering(bootstrap=0, seed=seed).run(herbarium(), no_text).answers[0].ids for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_the_published_form_matches_old_and_new_apart():
    data = herbarium(noise=1.2)
    found = Clustering(protocol="bioclip_v2", bootstrap=0, seed=2).run(data, no_text)
    vectors = data.images.vectors_ND.double().numpy()
    true, is_old = np.repeat(np.arange(7), 12), np.arange(84) < 48
    drawn = np.random.RandomState(0).choice(48, int(0.8 * 48), replace=False)
    known = np.full(84, -1)
    known[drawn] = true[drawn]
    runs = []
    for seed in (2, 3, 4):
        cluster = by_loops(vectors, known, 7, 10, seed)
        right = 0
        for asked in (is_old & (known < 0), ~is_old):
            pairs = list(zip(cluster[asked], true[asked]))
            table = np.array([[pairs.count((k, c)) for c in range(7)] for k in range(7)])
            right += max(sum(table[k, one[k]] for k in range(7)) for one in itertools.permutations(range(7)))
        runs.append(right / (known < 0).sum())
    path = "clustering_bioclip_v2/train/all"
    assert found.metrics[f"{path}/accuracy"] == pytest.approx(np.mean(runs))
    assert found.metrics[f"{path}/std"] == pytest.approx(np.std(runs))
    assert found.metrics[f"{path}/accuracy/n"] == 84 - 38


def test_images_without_a_class_or_a_set_are_left_out_and_told():
    named = [Noted({"class_set": "old"}, label="a")] * 4 + [Noted({"class_set": "young"}, label="a"), Noted()]
    metrics = Clustering(bootstrap=0, labelled=0.5).run(noted_split("train", torch.eye(6), named), no_text).metrics
    assert [metrics[f"clustering/train/all/{one}"] for one in ("labelled", "unlabelled")] == [2, 2]
    assert "clustering/train/new/accuracy" not in metrics
    with pytest.raises(ClipbioError, match="the first one, train-0, says 'young' and 'a'"):
        Clustering().run(noted_split("train", torch.eye(1), named[4:5]), no_text)
    with pytest.raises(ClipbioError, match="all 1 images of split 'train' would be labelled"):
        Clustering().run(noted_split("train", torch.eye(1), named[:1]), no_text)


@pytest.mark.parametrize(
    ("settings", "line"),
    [({"labelled": 1}, "a share"), ({"inits": 0}, "inits=0"), ({"iterations": 0}, "from 1 up"), ({"protocol": "x"}, "no choice")],
)  # fmt: skip
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        Clustering(**settings)
