"""From cosines with the captions of states to probabilities: a temperature per character, a bias per state.

Shape suffixes: N images, S states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answered", "Calibration", "fit", "fit_together", "log_softmax"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Of the logarithm of a scale around the common one, and of a bias around the logarithm of how frequent its state is.
SCALE_SPREAD = 0.5
BIAS_SPREAD = 0.5
_FIRST_SCALE = 10.0
_ROUNDS = 5


@dataclass(frozen=True)
class Calibration:
    """Logits are `scale * (cosine - offset) + bias`; `offset_S` is the mean cosine of each caption, over any images."""

    scale: float
    offset_S: FloatArray
    bias_S: FloatArray

    def log_probabilities(self, cosine_NS: NDArray[Any]) -> FloatArray:
        """Return the logarithms of the probabilities of the states."""
        return log_softmax(self.scale * (np.asarray(cosine_NS, np.float64) - self.offset_S) + self.bias_S)

    def evidence(self, cosine_NS: NDArray[Any]) -> FloatArray:
        """Return the logarithms of the odds of each state against all others, less those without an image, in nats.

        Without an image stands the mean cosine of each caption, which leaves the biases: how frequent states are.
        """
        gained_NS: FloatArray = _odds(self.log_probabilities(cosine_NS)) - _odds(log_softmax(self.bias_S))
        return gained_NS


@dataclass(frozen=True)
class Answered:
    """Images of which states of a character are known.

    Args:
        cosine_NS: Cosines with the captions of the states.
        truth_NS: Whether the species has the state; each image has one at least.
        prior_S: How frequent states are, in shares.
        offset_S: The mean cosine of each caption.
    """

    cosine_NS: FloatArray
    truth_NS: BoolArray
    prior_S: FloatArray
    offset_S: FloatArray

    def __len__(self) -> int:
        return len(self.cosine_NS)

    def take(self, mask_N: BoolArray) -> Answered:
        """Return some of the images."""
        return Answered(self.cosine_NS[mask_N], self.truth_NS[mask_N], self.prior_S, self.offset_S)


def log_softmax(logits_NS: FloatArray) -> FloatArray:
    """Return logits of each row less the logarithm of the sum of their exponentials."""
    shifted = logits_NS - logits_NS.max(axis=-1, keepdims=True)
    normalised: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def _odds(log_S: FloatArray) -> FloatArray:
    odds: FloatArray = log_S - np.log(np.maximum(-np.expm1(log_S), 1e-12))
    return odds


def fit(
    one: Answered, *, log_scale: float, scale_spread: float = SCALE_SPREAD, bias_spread: float = BIAS_SPREAD
) -> Calibration:
    """Return the scale and the biases of the highest posterior probability.

    The probability of an image is that of all states of its species together. The logarithm of the scale is normal
    around `log_scale`, each bias around the logarithm of the frequency of its state: a caption that tells nothing ends
    with the frequencies.

    Args:
        one: Images with known states.
        log_scale: The logarithm of the common scale.
        scale_spread: Standard deviation of the logarithm of the scale; infinity shrinks nothing.
        bias_spread: Standard deviation of the biases; infinity shrinks nothing.
    """
    from scipy.optimize import minimize

    centred_NS, prior_S = one.cosine_NS - one.offset_S, np.log(one.prior_S)
    truth_NS = np.where(one.truth_NS, 0.0, -np.inf)

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        scale, bias_S = np.exp(values[0]), values[1:]
        log_NS = log_softmax(scale * centred_NS + bias_S)
        among_NS = log_NS + truth_NS
        total_N = np.logaddexp.reduce(among_NS, axis=1)
        slope_NS = np.exp(log_NS) - np.exp(among_NS - total_N[:, None])
        away, away_S = (values[0] - log_scale) / scale_spread, (bias_S - prior_S) / bias_spread
        slope = np.concatenate([[(slope_NS * centred_NS).sum() * scale], slope_NS.sum(axis=0)])
        slope += np.concatenate([[away / scale_spread], away_S / bias_spread])
        return float(-total_N.sum() + 0.5 * (away**2 + (away_S**2).sum())), slope

    start = np.concatenate([[log_scale], prior_S])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7})
    # A bias common to all states changes nothing.
    return Calibration(float(np.exp(found.x[0])), one.offset_S, found.x[1:] - found.x[1:].mean())


def fit_together(characters: Sequence[Answered]) -> tuple[list[Calibration], float]:
    """Fit all characters, each around the common scale, which is the geometric mean of theirs; return it too."""
    log_scale = float(np.log(_FIRST_SCALE))
    fitted: list[Calibration] = []
    for _ in range(_ROUNDS):
        fitted = [fit(one, log_scale=log_scale) for one in characters]
        log_scale = float(np.mean([np.log(one.scale) for one in fitted]))
    return fitted, float(np.exp(log_scale))
