"""Intervals over redrawn species, for every figure behind which there are answers of single specimens.

Pictures of one species are right or wrong together. An interval over specimens says how well the figure is known for
these species; one over species says how far it would move with others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import numpy as np

from clipbio.evaluation.answers import Answers
from clipbio.evaluation.paired import accuracy
from clipbio.seeding import derive_seed

__all__ = ["with_species_intervals"]

logger = logging.getLogger(__name__)

_TOLERANCE = 1e-6
_MACRO = "macro_"


def with_species_intervals(
    metrics: Mapping[str, float], answers: Iterable[Answers], *, resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Return the flat numbers with `low_species` and `high_species` where answers stand behind them.

    A macro mean `macro_METRIC` has the answers of `METRIC`: its classes are redrawn. What already has such an interval
    keeps it. A figure of fewer than two species has none, nor has one that is not the mean of its answers.
    """
    found = dict(metrics)
    for one in answers:
        unit_N = np.unique(one.species, return_inverse=True)[1].reshape(-1)
        if not len(unit_N) or unit_N.max() == 0:
            continue
        macro = f"{one.task}/{one.split}/{one.variant}/{_MACRO}{one.metric}"
        for key, by_class in ((one.key, False), (macro, True)):
            if key not in metrics or f"{key}/low_species" in metrics:
                continue
            options = {"class_N": unit_N} if by_class else {"unit_N": unit_N}
            estimate = accuracy(one.value_N, **options, seed=derive_seed("species", key, seed), resamples=resamples)
            if abs(estimate.value - metrics[key]) > _TOLERANCE:
                logger.warning("%s is %.6f, its answers give %.6f: no interval", key, metrics[key], estimate.value)
            elif estimate.interval is not None:
                found |= {f"{key}/low_species": estimate.interval.low, f"{key}/high_species": estimate.interval.high}
    return found
