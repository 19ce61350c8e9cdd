"""The benchmark of Bayesian zero-shot learning: images of seen and unseen species, told by DNA that all species have.

Source: Badirli et al. 2021, arXiv:2109.14133. Images of `train` species make the classes, `test` and `unseen` are
asked, every species of both is a candidate; the figure is the harmonic mean of class-averaged accuracies.

Shape suffixes: N specimens, Q queries, D dimensions, C classes, E DNA dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from clipbio.distributed import world_rank
from clipbio.errors import ClipbioError
from clipbio.evaluation.bayesian import BayesianClassifier, FloatArray, Hyperparameters, IntArray
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.bzsl_files import write_mat_files
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.image_classes import ImageClasses
from clipbio.evaluation.metrics import percentiles
from clipbio.evaluation.paired import accuracy
from clipbio.seeding import derive_seed, rng

__all__ = ["GRID", "Bzsl", "harmonic_mean"]

logger = logging.getLogger(__name__)

SEEN, UNSEEN, VALIDATION = "test", "unseen", "val_unseen"
TRAIN = ("train", "val", VALIDATION)
GRID = {
    "neighbours": (1, 2, 3),
    "k0": (0.1, 1.0),
    "k1": (10.0, 25.0),
    "m": (5.0, 25.0, 100.0, 500.0),
    "s": (1.0, 5.0, 10.0),
}
"""The published ranges of the priors."""


@dataclass(frozen=True)
class _Task:
    """Vectors of known classes, and queries of seen and unseen ones, after PCA."""

    vectors_ND: FloatArray
    class_N: IntArray
    seen_QD: FloatArray
    seen_Q: IntArray
    unseen_QD: FloatArray
    unseen_Q: IntArray

    def answers(self, side_CE: FloatArray, settings: Hyperparameters) -> tuple[IntArray, IntArray]:
        """Return the classes of seen and of unseen queries."""
        model = BayesianClassifier(
            self.vectors_ND, self.class_N, side_CE=side_CE, unseen_U=np.unique(self.unseen_Q), settings=settings
        )
        return model.predict(self.seen_QD), model.predict(self.unseen_QD)


def harmonic_mean(first: float, second: float) -> float:
    """Return the harmonic mean of two accuracies, 0 if one of them is 0."""
    return 2 * first * second / (first + second) if first + second > 0 else 0.0


class Bzsl:
    """Bayesian zero-shot learning on image and DNA embeddings.

    The classes of `unseen` have no image in training; their prior comes from the classes whose DNA (mean over all
    specimens of the class) is nearest. Figures: `bzsl/test/image/macro_top1`, `bzsl/unseen/image/macro_top1` (mean over
    classes, all of both splits being candidates) and `bzsl/test+unseen/image/harmonic_mean`, with 95 % intervals over
    classes.

    Args:
        pca: dimensions that images are reduced to; fewer where there are fewer.
        k0: weight of the global mean on local means.
        k1: weight of local means on class means.
        m: degrees of freedom of the prior of covariances, as a multiple of the dimension.
        s: divisor of that prior's scale.
        neighbours: how many seen classes an unseen one stands on.
        tune: choose k0, k1, m, s and neighbours by the harmonic mean on a fifth of each train class and `val_unseen`,
            over the published ranges.
        export: folder for `res101.mat` and `att_splits.mat` with these features, for the published code.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of intervals and of the fifth.
    """

    splits: tuple[str, ...] | None = None

    def __init__(
        self,
        *,
        pca: int = 500,
        k0: float = 0.1,
        k1: float = 10.0,
        m: float = 5.0,
        s: float = 10.0,
        neighbours: int = 3,
        tune: bool = False,
        export: str | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        for name, value in {"pca": pca, "k0": k0, "k1": k1, "m": m, "s": s, "neighbours": neighbours}.items():
            if value <= 0:
                raise ClipbioError(f"benchmark bzsl: {name}={value} must be more than 0")
        self.pca, self.tune = pca, tune
        self.settings = Hyperparameters(k0, k1, m, s, neighbours)
        self.export = None if export is None else Path(export).expanduser()
        self.bootstrap, self.seed = bootstrap, seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Ask for the splits with images of seen classes, and for the other one of the two that are asked."""
        if not {SEEN, UNSEEN} & set(evaluated):
            return ()
        return tuple(name for name in (*TRAIN, SEEN, UNSEEN) if name in available)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Classify the images of test and unseen."""
        if not {SEEN, UNSEEN} & set(evaluated):
            return Result()
        if missing := [name for name in ("train", SEEN, UNSEEN) if name not in data]:
            raise ClipbioError(f"benchmark bzsl: the data has no split {' and no '.join(missing)}; see docs/splits.md")
        parts = ImageClasses.of({name: data[name] for name in (*TRAIN, SEEN, UNSEEN) if name in data})
        if self.export is not None and world_rank() == 0:
            write_mat_files(self.export, parts)
        train = [name for name in TRAIN if name in parts.rows]
        task = self._task(parts, train, parts.rows[SEEN], parts.rows[UNSEEN])
        settings = self._tuned(parts) if self.tune else self.settings
        figures = self._figures(task, *task.answers(parts.dna_CE, settings))
        return Result(flatten((*figures, *_told(settings, task))))

    def _task(self, parts: ImageClasses, train: Sequence[str], seen: IntArray, unseen: IntArray) -> _Task:
        """Return the images of splits as a task; queries of `test` whose species has no train image are left out."""
        known = np.concatenate([parts.rows[name] for name in train])
        known = known[~np.isin(parts.class_N[known], parts.class_N[unseen])]
        return self._reduced(parts, known, seen, unseen)

    def _reduced(self, parts: ImageClasses, known: IntArray, seen: IntArray, unseen: IntArray) -> _Task:
        asked = seen[np.isin(parts.class_N[seen], parts.class_N[known])]
        if not len(asked) or not len(unseen):
            raise ClipbioError("benchmark bzsl: there are no images of seen or of unseen species to ask for")
        basis_DD = _principal(parts.image_ND[known], self.pca)
        vectors = [parts.image_ND[rows] @ basis_DD for rows in (known, asked, unseen)]
        classes = [parts.class_N[rows] for rows in (known, asked, unseen)]
        return _Task(vectors[0], classes[0], vectors[1], classes[1], vectors[2], classes[2])

    def _tuned(self, parts: ImageClasses) -> Hyperparameters:
        """Return the priors with the best harmonic mean; the published ones of INSECT stay among equals."""
        if VALIDATION not in parts.rows:
            raise ClipbioError("benchmark bzsl: tune=true needs a split val_unseen, with species that train has not")
        train = np.concatenate([parts.rows[name] for name in TRAIN if name in parts.rows and name != VALIDATION])
        held = _fifth(parts.class_N[train], derive_seed("bzsl", self.seed))
        task = self._reduced(parts, train[~held], train[held], parts.rows[VALIDATION])
        best, best_mean = self.settings, -1.0
        for values in ((), *product(*GRID.values())):
            settings = Hyperparameters(**dict(zip(GRID, values, strict=True))) if values else self.settings  # type: ignore[arg-type]
            seen_Q, unseen_Q = task.answers(parts.dna_CE, settings)
            means = [
                accuracy(answer_Q == target_Q, class_N=target_Q, resamples=0).value
                for answer_Q, target_Q in ((seen_Q, task.seen_Q), (unseen_Q, task.unseen_Q))
            ]
            if harmonic_mean(*means) > best_mean:
                best, best_mean = settings, harmonic_mean(*means)
        logger.info("benchmark bzsl: tuned to %s, harmonic mean %.3f on validation", best, best_mean)
        return best

    def _figures(self, task: _Task, seen_Q: IntArray, unseen_Q: IntArray) -> Iterator[Figure]:
        chance = 1 / len(np.union1d(task.class_N, task.unseen_Q))
        draws, values = [], []
        for split, answer_Q, target_Q in ((SEEN, seen_Q, task.seen_Q), (UNSEEN, unseen_Q, task.unseen_Q)):
            mean_C = _class_means(answer_Q == target_Q, target_Q)
            drawn_R = self._redrawn(mean_C, split)
            low, high = percentiles(drawn_R) if self.bootstrap else (None, None)
            value = float(mean_C.mean())
            yield Figure("bzsl", split, "image", "macro_top1", value, low, high, len(mean_C), chance)
            draws.append(drawn_R)
            values.append(value)
        both = [harmonic_mean(*pair) for pair in zip(*draws, strict=True)]
        low, high = percentiles(np.array(both)) if both else (None, None)
        n = len(np.union1d(task.seen_Q, task.unseen_Q))
        yield Figure("bzsl", f"{SEEN}+{UNSEEN}", "image", "harmonic_mean", harmonic_mean(*values), low, high, n)

    def _redrawn(self, mean_C: FloatArray, split: str) -> FloatArray:
        """Return the mean over classes of each resample of the classes."""
        picked_RC = rng("bzsl", split, self.seed).integers(len(mean_C), size=(self.bootstrap, len(mean_C)))
        means_R: FloatArray = mean_C[picked_RC].mean(axis=1)
        return means_R


def _told(settings: Hyperparameters, task: _Task) -> Iterator[Figure]:
    """Yield the priors that were used, and the dimensions and classes."""
    told = {name: getattr(settings, name) for name in ("k0", "k1", "m", "s", "neighbours")}
    told |= {"dimensions": task.vectors_ND.shape[1], "seen_classes": len(np.unique(task.class_N))}
    for name, value in told.items():
        yield Figure("bzsl", f"{SEEN}+{UNSEEN}", "settings", name, float(value))


def _class_means(right_Q: np.ndarray, target_Q: IntArray) -> FloatArray:
    number_Q = np.unique(target_Q, return_inverse=True)[1].reshape(-1)
    means: FloatArray = np.bincount(number_Q, weights=right_Q.astype(np.float64)) / np.bincount(number_Q)
    return means


def _principal(vectors_ND: FloatArray, most: int) -> FloatArray:
    """Return the directions of largest variance as columns: at most `most`, and none along which nothing varies."""
    value_D, direction_DD = np.linalg.eigh(np.atleast_2d(np.cov(vectors_ND.T)))
    varies = int((value_D > 1e-7 * max(value_D[-1], 1e-30)).sum())
    basis: FloatArray = direction_DD[:, ::-1][:, : min(most, max(varies, 1))]
    return basis


def _fifth(class_N: IntArray, seed: int) -> np.ndarray:
    """Return which rows are held out of training: a fifth of each class, none of a class with fewer than five."""
    order = rng("fifth", seed).permutation(len(class_N))
    held = np.zeros(len(class_N), bool)
    for one in np.unique(class_N):
        members = order[class_N[order] == one]
        held[members[: len(members) // 5]] = True
    return held
