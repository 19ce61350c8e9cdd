"""Metrics as pure functions of arrays.

Ties count against the model: whatever scores within `tolerance` of the right answer is ranked above it, and a score
that is not a number never helps. A model that gives every answer the same score gets 0, not 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "SCORE_TOLERANCE",
    "Interval",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_means",
    "chance_average_precision",
    "chance_recall",
    "first_hits",
    "harmonic_mean",
    "macro_mean",
    "percentiles",
    "permuted_accuracy",
    "stratified_interval",
    "stratified_means",
    "target_ranks",
]

# Two equal vectors may differ by this much after a float32 product, depending on their place in the matrix.
SCORE_TOLERANCE = 1e-6
_CHUNK = 1 << 22

FloatArray = NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper bound of a confidence interval."""

    low: float
    high: float


def target_ranks(scores_NC: Tensor, target_N: Tensor, *, tolerance: float = 0.0) -> Tensor:
    """Return the rank of each row's target, 0 for best: the number of other classes that do not score below it."""
    target_score_N1 = scores_NC.gather(1, target_N[:, None])
    # "not below" instead of "above or equal": a comparison with NaN is false, and NaN must not win.
    below_N = (scores_NC < target_score_N1 - tolerance).sum(dim=1)
    return scores_NC.shape[1] - 1 - below_N


def macro_mean(correct_N: NDArray[np.bool_], class_N: NDArray[np.int64]) -> float:
    """Return the mean over classes of the share of correct answers; classes without images do not count."""
    count_C, hits_C = _class_counts(correct_N, class_N)
    return float((hits_C / count_C).mean())


def _class_counts(correct_N: NDArray[np.bool_], class_N: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    count_C = np.bincount(class_N).astype(np.float64)
    hits_C = np.bincount(class_N, weights=correct_N.astype(np.float64), minlength=len(count_C)).astype(np.float64)
    present = count_C > 0
    return count_C[present], hits_C[present]


def bootstrap_interval(values_N: FloatArray, *, seed: int, resamples: int = 1000, confidence: float = 0.95) -> Interval:
    """Return the percentile bootstrap interval of the mean."""
    return percentiles(bootstrap_means(values_N, seed=seed, resamples=resamples), confidence)


def bootstrap_means(values_N: FloatArray, *, seed: int, resamples: int = 1000) -> FloatArray:
    """Return the mean of each of `resamples` bootstrap samples.

    Values that occur more than once are drawn together: their counts in a resample are multinomial, which is the same
    distribution as drawing the values one by one.
    """
    values, counts = np.unique(values_N, return_counts=True)
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(values))
    means: list[FloatArray] = []
    for start in range(0, resamples, rows):
        drawn = generator.multinomial(len(values_N), counts / len(values_N), size=min(rows, resamples - start))
        means.append(drawn @ values / len(values_N))
    return np.concatenate(means)


def stratified_interval(
    correct_N: NDArray[np.bool_],
    class_N: NDArray[np.int64],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Return the bootstrap interval of the macro mean, images being redrawn within their class.

    The classes are taken as given: the interval says nothing about other classes, and a class with one image adds
    nothing to its width.
    """
    return percentiles(stratified_means(correct_N, class_N, seed=seed, resamples=resamples), confidence)


def stratified_means(
    correct_N: NDArray[np.bool_], class_N: NDArray[np.int64], *, seed: int, resamples: int = 1000
) -> FloatArray:
    """Return the macro mean of each of `resamples` bootstrap samples, drawn within the classes.

    Classes with the same number of images and of hits are drawn together: a sum of binomial numbers is binomial.
    """
    count_C, hits_C = _class_counts(correct_N, class_N)
    kinds, alike = np.unique(np.stack([count_C, hits_C]).round().astype(np.int64), axis=1, return_counts=True)
    generator = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for count, hits, classes in zip(*kinds, alike, strict=True):
        drawn = generator.binomial(int(count * classes), hits / count, size=resamples)
        total += drawn / count
    return total / len(count_C)


def harmonic_mean(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return 2ab / (a + b), elementwise, 0 where either is 0."""
    total = first + second
    return np.where((first > 0) & (second > 0), 2 * first * second / np.where(total > 0, total, 1), 0.0)


def percentiles(values: FloatArray, confidence: float = 0.95) -> Interval:
    """Return the range that holds the middle `confidence` of the values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return Interval(float(low), float(high))


def permuted_accuracy(
    predicted_N: NDArray[np.int64],
    target_N: NDArray[np.int64],
    *,
    num_classes: int,
    permutations: int,
    seed: int,
) -> FloatArray:
    """Return the accuracy under each of `permutations` random assignments of the classes' texts to the classes.

    Only the counts of (class, predicted text) are needed. Any permutation may come, also one that leaves some classes
    in place, so the mean is exactly chance for a model that always answers. A prediction of -1 (a tie) is never right.
    """
    pairs, counts = np.unique(target_N * (num_classes + 1) + predicted_N + 1, return_counts=True)
    target, predicted = pairs // (num_classes + 1), pairs % (num_classes + 1) - 1
    generator = np.random.default_rng(seed)
    accuracies = np.empty(permutations)
    for number in range(permutations):
        text_of_class_C = generator.permutation(num_classes)
        accuracies[number] = counts[text_of_class_C[target] == predicted].sum() / len(target_N)
    return accuracies


def first_hits(scores_QN: Tensor, relevant_QN: Tensor, *, tolerance: float = 0.0) -> Tensor:
    """Return the rank of the best relevant item of each query, 0 for best; the number of items if none is relevant.

    A query is answered within k if this rank is below k: recall@k as CLIP_benchmark counts it.
    """
    best_Q1 = scores_QN.nan_to_num(nan=-torch.inf).masked_fill(~relevant_QN, -torch.inf).amax(dim=1, keepdim=True)
    above_Q = (~(scores_QN < best_Q1 - tolerance) & ~relevant_QN).sum(dim=1)
    return torch.where(relevant_QN.any(dim=1), above_Q, scores_QN.shape[1])


def average_precision(scores_QN: Tensor, relevant_QN: Tensor, *, tolerance: float = 0.0) -> Tensor:
    """Return the average precision of each query over the full ranking; 0 if nothing is relevant."""
    relevant_Q1 = relevant_QN.sum(dim=1, keepdim=True)
    most = int(relevant_Q1.max()) if len(relevant_QN) else 0
    hits_QR = torch.where(relevant_QN, scores_QN.nan_to_num(nan=-torch.inf), -torch.inf).topk(most, dim=1).values
    others_QN = torch.where(relevant_QN, -torch.inf, scores_QN.nan_to_num(nan=torch.inf)).sort(dim=1).values
    below_QR = torch.searchsorted(others_QN, hits_QR - tolerance)
    # Relevant items stand among the others as minus infinity, where only a score of NaN could count them.
    ahead_QR = torch.minimum(scores_QN.shape[1] - below_QR, scores_QN.shape[1] - relevant_Q1)
    place_R = torch.arange(1, most + 1, device=scores_QN.device)
    precision_QR = (place_R / (place_R + ahead_QR).double()) * (place_R <= relevant_Q1)
    return precision_QR.sum(dim=1) / relevant_Q1[:, 0].clamp(min=1)


def chance_recall(relevant_Q: NDArray[np.int64], total: int, k: int) -> float:
    """Return the expected recall@k of a random ranking, for the number of relevant items of each query."""
    if k >= total:
        return float((relevant_Q > 0).mean())
    drawn_k = np.arange(k)
    factors_Qk = np.clip(total - relevant_Q[:, None] - drawn_k, 0, None) / (total - drawn_k)
    return float(1 - factors_Qk.prod(axis=1).mean())


def chance_average_precision(relevant_Q: NDArray[np.int64], total: int) -> float:
    """Return the expected average precision of a random ranking, for the number of relevant items of each query."""
    harmonic = float((1 / np.arange(1, total + 1)).sum())
    others_Q = (relevant_Q - 1) / max(total - 1, 1)
    return float(np.where(relevant_Q > 0, (harmonic + others_Q * (total - harmonic)) / total, 0.0).mean())
