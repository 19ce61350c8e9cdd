"""F1 and average precision of many traits, with the values they take when images are redrawn.

Shape suffixes: N images, L traits, B resamples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.evaluation.metrics import FloatArray, average_precision

__all__ = ["f1_scores", "precisions", "resampled_f1", "resampled_precision"]

BoolArray = NDArray[np.bool_]

_CHUNK = 1 << 21


def f1_scores(predicted_NL: BoolArray, trait_NL: BoolArray) -> FloatArray:
    """Return the F1 of each trait; 0 where it is neither there nor predicted."""
    hits_L, total_L = (predicted_NL & trait_NL).sum(axis=0), predicted_NL.sum(axis=0) + trait_NL.sum(axis=0)
    return np.asarray(2 * hits_L / np.maximum(total_L, 1))


def precisions(score_NL: FloatArray, trait_NL: BoolArray) -> FloatArray:
    """Return the average precision of each trait; images with the same score count against the model."""
    scores, traits = torch.from_numpy(score_NL.T.copy()), torch.from_numpy(trait_NL.T.copy())
    return np.asarray(average_precision(scores, traits).numpy())


def resampled_f1(
    predicted_NL: BoolArray, trait_NL: BoolArray, *, seed: int, resamples: int, absent: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the mean F1 over traits and the F1 of all traits together, for each bootstrap sample of the images.

    A trait that no image of a sample has is left out of the mean, as it is left out of the figure; with `absent` it
    counts as 0, as in scikit-learn. The mean of a sample without any trait is NaN.
    """
    counted = np.concatenate([predicted_NL & trait_NL, predicted_NL, trait_NL], axis=1).astype(np.float32)
    macro, micro = [], []
    for weights_BN in _weights(len(trait_NL), seed=seed, resamples=resamples):
        hits_BL, found_BL, there_BL = np.split((weights_BN @ counted).astype(np.float64), 3, axis=1)
        macro.append(_mean_of(2 * hits_BL / np.maximum(found_BL + there_BL, 1), (there_BL > 0) | absent))
        micro.append(2 * hits_BL.sum(axis=1) / np.maximum((found_BL + there_BL).sum(axis=1), 1))
    return np.concatenate(macro), np.concatenate(micro)


def _mean_of(value_BL: FloatArray, counts_BL: BoolArray) -> FloatArray:
    """Return the mean over those traits that count in each sample, NaN where none does."""
    total_B = counts_BL.sum(axis=1)
    return np.where(total_B > 0, (value_BL * counts_BL).sum(axis=1) / np.maximum(total_B, 1), np.nan)


def resampled_precision(score_NL: FloatArray, trait_NL: BoolArray, *, seed: int, resamples: int) -> FloatArray:
    """Return the mean average precision over traits for each bootstrap sample of the images.

    A trait that no image of a sample has is left out of its mean, which is NaN where none is left.
    """
    # Of equal scores those without the trait come first.
    orders = [np.lexsort((trait_N, -score_N)) for score_N, trait_N in zip(score_NL.T, trait_NL.T, strict=True)]
    means = []
    for weights_BN in _weights(len(trait_NL), seed=seed, resamples=resamples):
        per_trait = [
            _weighted_precision(weights_BN[:, order_N], trait_N[order_N])
            for order_N, trait_N in zip(orders, trait_NL.T, strict=True)
        ]
        means.append(_mean_of(np.stack(per_trait, axis=1), weights_BN @ trait_NL > 0))
    return np.concatenate(means)


def _weighted_precision(weights_BN: NDArray[np.float32], trait_N: BoolArray) -> FloatArray:
    """Return the average precision of images in the order of a ranking, each standing there as often as it weighs."""
    hits_BN = weights_BN[:, trait_N]
    share_BN = np.cumsum(hits_BN, axis=1) / np.maximum(np.cumsum(weights_BN, axis=1)[:, trait_N], 1)
    return np.asarray((hits_BN * share_BN).sum(axis=1) / np.maximum(hits_BN.sum(axis=1), 1))


def _weights(count: int, *, seed: int, resamples: int) -> Iterator[NDArray[np.float32]]:
    """Yield how often each image is drawn, for some resamples at a time."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // count)
    for start in range(0, resamples, rows):
        drawn_BN = generator.multinomial(count, np.full(count, 1 / count), size=min(rows, resamples - start))
        yield drawn_BN.astype(np.float32)
