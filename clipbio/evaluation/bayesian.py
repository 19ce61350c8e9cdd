"""A Bayesian classifier of seen and unseen classes: unseen ones borrow their prior from seen ones with similar DNA.

Classes are Gaussian with unknown mean and covariance. Means have a prior around a local mean, local means one around
the global mean, covariances an inverse Wishart prior; the predictive density of each class is a Student-t. Source:
Badirli et al. 2021, arXiv:2109.14133, and its supplement.

With n_j vectors of mean x_j and scatter S_j (sum of outer products of what deviates from x_j) of class j, dimension d,
prior mean mu_0 and scale Psi = (m - d - 1) Sigma_0 / s, where mu_0 and Sigma_0 are the means over the seen classes of
their means and covariances:

- A seen class has kappa = k0 k1 / (k0 + k1), mean (n x + kappa mu_0) / (n + kappa), v = n + m - d + 1 degrees of
  freedom, and scale (Psi + S + n kappa / (n + kappa) (x - mu_0)(x - mu_0)^T) (n + kappa + 1) / ((n + kappa) v).
- An unseen class stands on the K seen classes with the nearest DNA: kappa_j = n_j k1 / (n_j + k1),
  kappa = (k0 + sum kappa_j) k1 / (k0 + sum kappa_j + k1), mean (k0 mu_0 + sum kappa_j x_j) / (k0 + sum kappa_j),
  v = sum (n_j - 1) + m - d + 1, and scale (Psi + sum S_j) (kappa + 1) / (kappa v).

The published code adds, in the place of the outer product (x - mu_0)(x - mu_0)^T, its trace to every entry of the
matrix; here stands the outer product.

Covariances differ from Psi by few directions only, one for each vector: densities are computed in the coordinates in
which Psi is the identity, by the matrix inversion lemma, never by a d x d factorisation for each class.

Shape suffixes: N vectors, M of them of one class, D dimensions, C classes, S seen ones, J some of these, U unseen ones,
E side dimensions, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.errors import ClipbioError

__all__ = ["BayesianClassifier", "Hyperparameters", "surrogates"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The priors: defaults are those that were tuned for INSECT.

    Attributes:
        k0: Weight of the global mean on local means.
        k1: Weight of local means on class means.
        m: Degrees of freedom of the inverse Wishart prior, as a multiple of the dimension.
        s: Divisor of its scale.
        neighbours: How many seen classes an unseen one stands on.
    """

    k0: float = 0.1
    k1: float = 10.0
    m: float = 5.0
    s: float = 10.0
    neighbours: int = 3


@dataclass(frozen=True)
class _Statistics:
    """The seen classes, in coordinates where Psi is the identity."""

    class_S: IntArray
    count_S: IntArray
    mean_SD: FloatArray
    deviations: tuple[FloatArray, ...]


@dataclass(frozen=True)
class _Density:
    """A Student-t: mean, directions in which its scatter exceeds the identity, divisor of the scatter, v."""

    mean_D: FloatArray
    extra_MD: FloatArray
    divisor: float
    freedom: float


class BayesianClassifier:
    """Predictive densities of seen and unseen classes.

    Args:
        vectors_ND: Vectors of seen classes.
        class_N: Their classes.
        side_CE: Side information of every class, by its number: a DNA embedding.
        unseen_U: The unseen classes.
        settings: The priors.

    Raises:
        ClipbioError: The vectors do not span their space, or `m` is too small.
    """

    def __init__(
        self,
        vectors_ND: FloatArray,
        class_N: IntArray,
        *,
        side_CE: FloatArray,
        unseen_U: IntArray,
        settings: Hyperparameters,
    ) -> None:
        dim = vectors_ND.shape[1]
        freedom = settings.m * dim
        if freedom <= dim + 1:
            raise ClipbioError(f"benchmark bzsl: m={settings.m} times {dim} dimensions must be more than {dim + 1}")
        mean_D, covariance_DD = _global_prior(vectors_ND, class_N)
        psi_DD = (freedom - dim - 1) * covariance_DD / settings.s
        self._root_DD = _root(psi_DD)
        self._mean_D = mean_D
        seen = _statistics(self._whitened(vectors_ND), class_N)
        self._log_volume = float(np.log(np.diag(self._root_DD)).sum())
        chosen = surrogates(side_CE[seen.class_S], side_CE[unseen_U], settings.neighbours)
        self.class_C = np.concatenate([unseen_U, seen.class_S])
        self._densities = [_unseen(seen, rows, freedom, settings) for rows in chosen]
        self._densities += [_seen(seen, row, freedom, settings) for row in range(len(seen.class_S))]

    def log_density(self, vectors_QD: FloatArray) -> FloatArray:
        """Return the log predictive density of each query under each class of `class_C` (Q, C)."""
        queries_QD = self._whitened(vectors_QD)
        columns = [_log_student(queries_QD, density) for density in self._densities]
        return np.stack(columns, axis=1) - self._log_volume

    def predict(self, vectors_QD: FloatArray) -> IntArray:
        """Return the class with the highest density for each query; the first one of equals."""
        best_Q: IntArray = self.class_C[self.log_density(vectors_QD).argmax(axis=1)]
        return best_Q

    def _whitened(self, vectors_ND: FloatArray) -> FloatArray:
        """Return vectors in the coordinates where the prior mean is 0 and Psi the identity."""
        from scipy.linalg import solve_triangular

        white: FloatArray = solve_triangular(self._root_DD, (vectors_ND - self._mean_D).T, lower=True).T
        return white


def surrogates(seen_SE: FloatArray, unseen_UE: FloatArray, neighbours: int) -> list[IntArray]:
    """Return for each unseen class the rows of the seen classes it stands on: the nearest ones, by Euclidean distance.

    No two unseen classes stand on the same set: the later one gives its last member for the next nearest class, until
    they differ.

    Raises:
        ClipbioError: There are too few seen classes.
    """
    from scipy.spatial.distance import cdist

    taken: set[frozenset[int]] = set()
    chosen: list[IntArray] = []
    for order_S in np.argsort(cdist(unseen_UE, seen_SE), axis=1, kind="stable"):
        sets = ([*order_S[: neighbours - 1], last] for last in order_S[neighbours - 1 :])
        rows = next((one for one in sets if frozenset(map(int, one)) not in taken), None)
        if rows is None:
            raise ClipbioError(
                f"benchmark bzsl: {len(seen_SE)} seen classes are too few for {len(unseen_UE)} unseen ones that stand "
                f"on {neighbours} each; set benchmark.bzsl.neighbours"
            )
        taken.add(frozenset(map(int, rows)))
        chosen.append(np.array(rows, np.int64))
    return chosen


def _groups(vectors_ND: FloatArray, class_N: IntArray) -> Iterator[tuple[int, FloatArray]]:
    for one in np.unique(class_N).tolist():
        yield one, vectors_ND[class_N == one]


def _global_prior(vectors_ND: FloatArray, class_N: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the means over classes of mean and covariance; a class with one vector has no covariance."""
    means = [members.mean(axis=0) for _, members in _groups(vectors_ND, class_N)]
    spread = [np.atleast_2d(np.cov(members.T)) for _, members in _groups(vectors_ND, class_N) if len(members) > 1]
    if not spread:
        raise ClipbioError("benchmark bzsl: every seen class has one specimen; covariances need two of some")
    return np.mean(means, axis=0), np.mean(spread, axis=0)


def _root(psi_DD: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.cholesky(psi_DD), np.float64)
    except np.linalg.LinAlgError as error:
        raise ClipbioError(
            f"benchmark bzsl: the specimens do not vary in all of {len(psi_DD)} dimensions; set a smaller "
            "benchmark.bzsl.pca"
        ) from error


def _statistics(white_ND: FloatArray, class_N: IntArray) -> _Statistics:
    groups = list(_groups(white_ND, class_N))
    means = np.stack([members.mean(axis=0) for _, members in groups])
    counts = np.array([len(members) for _, members in groups], np.int64)
    deviations = tuple(members - mean for (_, members), mean in zip(groups, means, strict=True))
    return _Statistics(np.array([one for one, _ in groups], np.int64), counts, means, deviations)


def _seen(seen: _Statistics, row: int, freedom: float, settings: Hyperparameters) -> _Density:
    count, mean_D = int(seen.count_S[row]), seen.mean_SD[row]
    kappa = settings.k0 * settings.k1 / (settings.k0 + settings.k1)
    shift_1D = np.sqrt(count * kappa / (count + kappa)) * mean_D[None]
    v = count + freedom - len(mean_D) + 1
    weight = count + kappa
    extra_MD = np.concatenate([seen.deviations[row], shift_1D])
    return _Density(count * mean_D / weight, extra_MD, weight * v / (weight + 1), v)


def _unseen(seen: _Statistics, rows: IntArray, freedom: float, settings: Hyperparameters) -> _Density:
    count_J = seen.count_S[rows].astype(np.float64)
    kappa_J = count_J * settings.k1 / (count_J + settings.k1)
    weight = settings.k0 + float(kappa_J.sum())
    kappa = weight * settings.k1 / (weight + settings.k1)
    mean_D = kappa_J @ seen.mean_SD[rows] / weight
    v = float((count_J - 1).sum()) + freedom - len(mean_D) + 1
    extra_MD = np.concatenate([seen.deviations[row] for row in rows.tolist()])
    return _Density(mean_D, extra_MD, kappa * v / (kappa + 1), v)


def _log_student(queries_QD: FloatArray, density: _Density) -> FloatArray:
    """Return the log density of a Student-t with the scale matrix (I + extra^T extra) / divisor."""
    from scipy.special import gammaln

    dim, v = len(density.mean_D), density.freedom
    distance_Q, log_determinant = _mahalanobis(queries_QD - density.mean_D, density.extra_MD)
    log_determinant -= dim * np.log(density.divisor)
    constant = gammaln((v + dim) / 2) - gammaln(v / 2) - dim / 2 * np.log(v * np.pi) - log_determinant / 2
    found: Any = constant - (v + dim) / 2 * np.log1p(density.divisor * distance_Q / v)
    return np.asarray(found, np.float64)


def _mahalanobis(deviation_QD: FloatArray, extra_MD: FloatArray) -> tuple[FloatArray, float]:
    """Return squared distances under I + extra^T extra, and the log of its determinant."""
    from scipy.linalg import solve_triangular

    inner_MM = np.eye(len(extra_MD)) + extra_MD @ extra_MD.T
    root_MM = np.linalg.cholesky(inner_MM)
    along_MQ = solve_triangular(root_MM, extra_MD @ deviation_QD.T, lower=True)
    distance_Q = (deviation_QD**2).sum(axis=1) - (along_MQ**2).sum(axis=0)
    return distance_Q.clip(min=0.0), float(2 * np.log(np.diag(root_MM)).sum())
