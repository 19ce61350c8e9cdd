"""What reads traits off frozen vectors: a logistic regression for each, and the published two layers for all.

Shape suffixes: M train images, N test images, D dimensions, L traits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipbio.evaluation.metrics import FloatArray
from clipbio.evaluation.probe import STRENGTHS, logistic_regression
from clipbio.seeding import derive_seed

__all__ = ["EPOCHS", "held_out", "one_vs_rest", "published_head"]

Vectors = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

EPOCHS = 50
_BATCH, _HIDDEN, _HALVED_EVERY = 64, 512, 20
_SHARE = 5
_DEFAULT = 10.0


def held_out(units: list[str], *, seed: int) -> BoolArray:
    """Tell which train images choose C: a fifth, by the hashes of their units; those of one unit stay together."""
    chosen = {unit: derive_seed("traits", seed, unit) % _SHARE == 0 for unit in set(units)}
    return np.array([chosen[unit] for unit in units], bool)


def one_vs_rest(train_MD: Vectors, trait_ML: BoolArray, held_M: BoolArray, test_ND: Vectors) -> FloatArray:
    """Return the probability of each trait of each test image by one logistic regression per trait.

    Vectors are centred, and scaled to a mean squared length of 1. C is that of `STRENGTHS` with the lowest log loss on
    the held out images, fitted on the others; then all are fitted with it. Where this cannot be told C is 10, and a
    trait that all train images have, or none, keeps that share as probability.
    """
    mean_D = train_MD.mean(axis=0)
    scale = float(((train_MD - mean_D) ** 2).sum(axis=1).mean() ** 0.5) or 1.0
    moved_MD, moved_ND = (train_MD - mean_D) / scale, (test_ND - mean_D) / scale
    probability_NL = np.empty((len(test_ND), trait_ML.shape[1]))
    for place, trait_M in enumerate(trait_ML.T.astype(np.int64)):
        if _is_constant(trait_M):
            probability_NL[:, place] = trait_M[0]
            continue
        strength = _chosen_strength(moved_MD, trait_M, held_M)
        probability_NL[:, place] = _fitted(moved_MD, trait_M, strength).predict_proba(moved_ND)[:, 1]
    return probability_NL


def _chosen_strength(vectors_MD: Vectors, trait_M: NDArray[np.int64], held_M: BoolArray) -> float:
    """Return the C with the lowest log loss, the smaller one of equals; larger ones are tried while it falls."""
    if not held_M.any() or held_M.all() or _is_constant(trait_M[~held_M]):
        return _DEFAULT
    best, best_loss = _DEFAULT, np.inf
    model = None
    for strength in STRENGTHS:
        model = _fitted(vectors_MD[~held_M], trait_M[~held_M], strength, model)
        logit_M = model.decision_function(vectors_MD[held_M])
        loss = float((np.logaddexp(0, logit_M) - logit_M * trait_M[held_M]).mean())
        if loss >= best_loss:
            break
        best, best_loss = strength, loss
    return best


def _fitted(vectors_MD: Vectors, trait_M: NDArray[np.int64], strength: float, start: Any = None) -> Any:
    # Two classes need no more; with 1e-6 a trait takes several times as long, and AwA2 has 85.
    return logistic_regression(vectors_MD, trait_M, strength, start=start, tolerance=1e-4)


def _is_constant(trait_M: NDArray[np.int64]) -> bool:
    return bool(trait_M.all() or not trait_M.any())


def published_head(train_MD: Tensor, trait_ML: Tensor, test_ND: Tensor, *, lr: float, seed: int) -> FloatArray:
    """Return the logits of all traits by the head of BioCLIP 2, after the last epoch.

    Two linear layers of 512 units with dropout 0.5 and no non-linearity between them, binary cross-entropy, Adam, 50
    epochs in batches of 64 (the default of the published code), the learning rate halved every 20 epochs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Sequential(
            nn.Linear(train_MD.shape[1], _HIDDEN), nn.Dropout(0.5), nn.Linear(_HIDDEN, trait_ML.shape[1])
        )
        optimizer = torch.optim.Adam(head.parameters(), lr=lr, fused=True)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=_HALVED_EVERY, gamma=0.5)
        loss_of = nn.BCEWithLogitsLoss()
        with torch.enable_grad():
            for _ in range(EPOCHS):
                for rows_B in torch.split(torch.randperm(len(train_MD)), _BATCH):
                    optimizer.zero_grad()
                    loss_of(head(train_MD[rows_B]), trait_ML[rows_B].float()).backward()
                    optimizer.step()
                schedule.step()
    with torch.no_grad():
        return np.asarray(head.eval()(test_ND).numpy(), np.float64)
