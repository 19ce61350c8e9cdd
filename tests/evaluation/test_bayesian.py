import numpy as np
import pytest
from scipy.stats import multivariate_t

from clipbio.errors import ClipbioError
from clipbio.evaluation.bayesian import BayesianClassifier, Hyperparameters, surrogates


def a_world(seed=0, dim=6, counts=(7, 2, 12, 1, 5, 9, 4), unseen=3, side=4):
    generator = np.random.default_rng(seed)
    centres = 3 * generator.normal(size=(len(counts), dim))
    class_N = np.repeat(np.arange(len(counts)) * 2, counts)
    mixing = generator.normal(size=(dim, dim))
    vectors = centres[class_N // 2] + generator.normal(size=(len(class_N), dim)) @ mixing
    side_CE = generator.normal(size=(2 * len(counts), side))
    return vectors, class_N, side_CE, np.arange(unseen) * 2 + 1


def slowly(vectors, class_N, side, unseen, queries, k0, k1, m, s, neighbours):
    """Give the densities as the formulae stand, class by class, with full matrices."""
    dim = vectors.shape[1]
    seen = sorted(set(class_N.tolist()))
    of = {one: vectors[class_N == one] for one in seen}
    mu0 = np.mean([of[one].mean(axis=0) for one in seen], axis=0)
    sigma0 = np.mean([np.cov(of[one].T) for one in seen if len(of[one]) > 1], axis=0)
    degrees = m * dim
    psi = (degrees - dim - 1) * sigma0 / s

    def scatter(one):
        apart = of[one] - of[one].mean(axis=0)
        return sum(np.outer(row, row) for row in apart)

    columns = {}
    taken = []
    for one in unseen.tolist():
        order = sorted(seen, key=lambda other: np.linalg.norm(side[other] - side[one]))
        chosen, more = order[:neighbours], neighbours
        while set(chosen) in taken:
            chosen, more = [*chosen[:-1], order[more]], more + 1
        taken.append(set(chosen))
        kappas = [len(of[other]) * k1 / (len(of[other]) + k1) for other in chosen]
        kappa = (sum(kappas) + k0) * k1 / (sum(kappas) + k0 + k1)
        weighted = sum(weight * of[other].mean(axis=0) for weight, other in zip(kappas, chosen, strict=True))
        mean = (weighted + k0 * mu0) / (sum(kappas) + k0)
        v = sum(len(of[other]) - 1 for other in chosen) + degrees - dim + 1
        scale = (psi + sum(scatter(other) for other in chosen)) * (kappa + 1) / (kappa * v)
        columns[one] = multivariate_t(mean, scale, df=v).logpdf(queries)
    for one in seen:
        n, x, kappa = len(of[one]), of[one].mean(axis=0), k0 * k1 / (k0 + k1)
        v = n + degrees - dim + 1
        moved = n * kappa / (n + kappa) * np.outer(x - mu0, x - mu0)
        scale = (psi + scatter(one) + moved) * (n + kappa + 1) / ((n + kappa) * v)
        columns[one] = multivariate_t((n * x + kappa * mu0) / (n + kappa), scale, df=v).logpdf(queries)
    return columns


@pytest.mark.parametrize(
    "settings",
    [
        Hyperparameters(),
        Hyperparameters(k0=1, k1=25, m=100, s=1, neighbours=1),
        Hyperparameters(k0=0.5, k1=2, m=2.5, s=5, neighbours=2),
    ],
)
def test_densities_are_those_of_the_formulae_with_full_matrices(settings):
    vectors, class_N, side, unseen = a_world()
    queries = vectors[::3] + 0.1
    model = BayesianClassifier(vectors, class_N, side_CE=side, unseen_U=unseen, settings=settings)
    found = model.log_density(queries)
    expected = slowly(
        vectors, class_N, side, unseen, queries, settings.k0, settings.k1, settings.m, settings.s, settings.neighbours
    )
    assert set(model.class_C.tolist()) == set(expected)
    for column, one in enumerate(model.class_C.tolist()):
        assert found[:, column] == pytest.approx(expected[one], rel=1e-8)
    best = [max(expected, key=lambda one: expected[one][row]) for row in range(len(queries))]
    assert model.predict(queries).tolist() == best


def test_unseen_classes_with_the_same_nearest_ones_stand_on_different_sets():
    seen = np.arange(5.0)[:, None]
    unseen = np.array([[0.1], [0.2], [0.3], [4.0]])
    chosen = [sorted(rows.tolist()) for rows in surrogates(seen, unseen, 2)]
    assert chosen == [[0, 1], [0, 2], [0, 3], [3, 4]]


def test_too_few_seen_classes_are_told():
    with pytest.raises(ClipbioError, match="2 seen classes are too few for 2 unseen ones that stand on 2 each"):
        surrogates(np.arange(2.0)[:, None], np.zeros((2, 1)), 2)
    with pytest.raises(ClipbioError, match="too few"):
        surrogates(np.arange(2.0)[:, None], np.zeros((1, 1)), 3)


def test_the_answer_does_not_depend_on_the_axes():
    vectors, class_N, side, unseen = a_world()
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    settings = Hyperparameters()
    straight = BayesianClassifier(vectors, class_N, side_CE=side, unseen_U=unseen, settings=settings)
    turned = BayesianClassifier(vectors @ rotation + 7, class_N, side_CE=side, unseen_U=unseen, settings=settings)
    assert turned.log_density(vectors @ rotation + 7) == pytest.approx(straight.log_density(vectors), rel=1e-6)


def test_dna_that_tells_the_relatives_finds_the_unseen_class():
    generator = np.random.default_rng(1)
    centres = 6 * generator.normal(size=(5, 8))
    offsets = generator.normal(size=(20, 8))
    side = np.concatenate([centres, centres, centres, centres])[:, :3] + 0.1 * generator.normal(size=(20, 3))
    middle = np.tile(centres, (4, 1)) + offsets
    class_N = np.repeat(np.arange(15), 20)
    vectors = middle[class_N] + 0.5 * generator.normal(size=(300, 8))
    unseen = np.arange(15, 20)
    target = np.repeat(unseen, 20)
    queries = middle[target] + 0.5 * generator.normal(size=(100, 8))
    settings = Hyperparameters(s=1)

    def right(side_CE):
        model = BayesianClassifier(vectors, class_N, side_CE=side_CE, unseen_U=unseen, settings=settings)
        return (model.class_C[model.log_density(queries)[:, :5].argmax(axis=1)] == target).mean()

    shuffled = side.copy()
    shuffled[15:] = side[[16, 17, 18, 19, 15]]
    assert right(side) > 0.9
    assert right(shuffled) < 0.1


@pytest.mark.parametrize(
    ("vectors", "m", "message"),
    [
        (np.ones((6, 3)), 5, "do not vary in all of 3 dimensions; set a smaller benchmark.bzsl.pca"),
        (np.random.default_rng(0).normal(size=(6, 3)), 1, "m=1 times 3 dimensions must be more than 4"),
    ],
)
def test_what_cannot_be_fitted_is_told(vectors, m, message):
    with pytest.raises(ClipbioError, match=message):
        BayesianClassifier(
            vectors,
            np.repeat(np.arange(3), 2),
            side_CE=np.eye(4),
            unseen_U=np.array([3]),
            settings=Hyperparameters(m=m, neighbours=1),
        )
    with pytest.raises(ClipbioError, match="every seen class has one specimen"):
        BayesianClassifier(
            vectors, np.arange(6), side_CE=np.eye(7), unseen_U=np.array([6]), settings=Hyperparameters(neighbours=1)
        )
