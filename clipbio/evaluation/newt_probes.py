"""Classifiers of one small task on frozen vectors: a logistic regression, and the published random search of SVMs.

Shape suffixes: M train images, N test images, D dimensions, F and V images of a fold that are fitted and judged on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.probe import STRENGTHS

__all__ = ["DRAWS", "FOLDS", "chosen_probe", "svm_search"]

FloatArray = NDArray[np.floating[Any]]
Labels = NDArray[np.str_]

DRAWS = 100
FOLDS = 5


def chosen_probe(train_MD: FloatArray, label_M: Labels, test_ND: FloatArray, *, seed: int) -> Labels:
    """Return the labels of test images by logistic regression; C is chosen by cross-validation.

    Dimensions are standardised on what is fitted. C is tried at `STRENGTHS` divided by the number of dimensions, which
    is what it would be for vectors with a mean squared length of 1; the smallest of equals is taken. With fewer than
    five images of a label there are as many folds as images, and with a single one C is in the middle.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    grid = [strength / train_MD.shape[1] for strength in STRENGTHS]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=grid[len(grid) // 2], max_iter=1000, tol=1e-5))
    folds = min(FOLDS, int(np.unique(label_M, return_counts=True)[1].min()))
    if folds > 1:
        cross = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
        model = GridSearchCV(model, {"logisticregression__C": grid}, cv=cross)
    predicted: Labels = model.fit(train_MD.astype(np.float64), label_M).predict(test_ND.astype(np.float64))
    return predicted


def svm_search(train_MD: FloatArray, label_M: Labels, test_ND: FloatArray, *, seed: int) -> Labels:
    """Return the labels of test images by the protocol of BioCLIP 2 and biobench.

    Vectors are centred by the train mean and normalised; then a pipeline of scikit-learn's StandardScaler and SVC is
    chosen among `DRAWS` random settings (C from 1e-3 to 10, gamma from 1e-4 to 1e-3, both log-uniform, four kernels)
    by five folds in the order of the rows. The answers are those of `RandomizedSearchCV`; here the products of vectors
    are computed once for each fold and not in each of 500 fits, which takes a fraction of the time.
    """
    from sklearn.model_selection import ParameterSampler, StratifiedKFold

    centred_MD, centred_ND = _centred(train_MD, train_MD), _centred(test_ND, train_MD)
    folds = [
        (_Products.of(centred_MD[fit], centred_MD[judged]), label_M[fit], label_M[judged])
        for fit, judged in StratifiedKFold(FOLDS).split(centred_MD, label_M)
    ]
    settings = list(ParameterSampler(_settings(), DRAWS, random_state=seed))
    scores = [np.mean([_accuracy(*fold, one) for fold in folds]) for one in settings]
    best = settings[int(np.argmax(scores))]
    return _Products.of(centred_MD, centred_ND).answers(label_M, best)


def _settings() -> dict[str, Any]:
    from scipy.stats import loguniform

    return {"C": loguniform(1e-3, 1e1), "gamma": loguniform(1e-4, 1e-3), "kernel": ["rbf", "linear", "sigmoid", "poly"]}


def _centred(vectors_ND: FloatArray, train_MD: FloatArray) -> FloatArray:
    moved_ND = vectors_ND.astype(np.float64) - train_MD.astype(np.float64).mean(axis=0)
    lengths_N1 = np.linalg.norm(moved_ND, axis=1, keepdims=True)
    return np.asarray(moved_ND / np.where(lengths_N1 > 0, lengths_N1, 1))


def _accuracy(products: _Products, fit_F: Labels, judged_V: Labels, setting: dict[str, Any]) -> float:
    return float((products.answers(fit_F, setting) == judged_V).mean())


class _Products:
    """The products of standardised vectors of one fit, from which every kernel follows."""

    def __init__(self, fit_FF: FloatArray, judged_VF: FloatArray, square_F: FloatArray, square_V: FloatArray) -> None:
        self.fit_FF, self.judged_VF = fit_FF, judged_VF
        self.square_F, self.square_V = square_F, square_V

    @classmethod
    def of(cls, fit_FD: FloatArray, judged_VD: FloatArray) -> _Products:
        """Standardise by what is fitted, and multiply."""
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(fit_FD)
        fit_FD, judged_VD = scaler.transform(fit_FD), scaler.transform(judged_VD)
        squares = ((one**2).sum(axis=1) for one in (fit_FD, judged_VD))
        return cls(fit_FD @ fit_FD.T, judged_VD @ fit_FD.T, *squares)

    def answers(self, label_F: Labels, setting: dict[str, Any]) -> Labels:
        """Fit an SVM with a setting and return what it says of the judged images."""
        from sklearn.svm import SVC

        kernel, gamma = setting["kernel"], setting["gamma"]
        fitted_FF = _kernel(self.fit_FF, self.square_F, self.square_F, kernel, gamma)
        judged_VF = _kernel(self.judged_VF, self.square_V, self.square_F, kernel, gamma)
        machine = SVC(C=setting["C"], kernel="precomputed").fit(fitted_FF, label_F)
        predicted: Labels = machine.predict(judged_VF)
        return predicted


def _kernel(
    product_VF: FloatArray, square_V: FloatArray, square_F: FloatArray, kernel: str, gamma: float
) -> FloatArray:
    """Return a kernel of scikit-learn's SVC (degree 3, coef0 0) from inner products."""
    if kernel == "linear":
        return product_VF
    if kernel == "poly":
        return np.asarray((gamma * product_VF) ** 3)
    if kernel == "sigmoid":
        return np.asarray(np.tanh(gamma * product_VF))
    return np.asarray(np.exp(-gamma * np.maximum(square_V[:, None] + square_F - 2 * product_VF, 0)))
