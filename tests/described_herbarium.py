"""A describer for the small herbarium: states are told by the mean colours of the sheets that are so described."""

from __future__ import annotations

import numpy as np

from clipbio.characters.calibration import Calibration
from clipbio.characters.describer import Describer, Scored, Thresholds
from clipbio.characters.table import Character
from clipbio.search.filters import mask_N
from clipbio.search.index import Index
from clipbio.traits import captions

__all__ = ["describer_for"]

CHARACTERS = ("flower colour", "leaf colour", "leaf shape", "root type")
"""Those that it knows; the last one it does not see."""


def describer_for(index: Index) -> Describer:
    facets = {facet.character: facet for facet in index.trait_facets()}
    scored = [_scored(index, name, [state for state, _ in facets[name].values]) for name in CHARACTERS]
    towers = dict(index.folder.manifest.model["weights"])
    return Describer(
        tuple(scored), Thresholds(0.5, 0.5, -0.5), (), np.zeros((0, index.folder.manifest.dim)), {"towers": towers}
    )


def _scored(index: Index, name: str, states: list[str]) -> Scored:
    vectors = index.folder.vectors("image")
    means = [
        vectors.take(np.flatnonzero(mask_N(index.columns, {"trait": f"{name}={state}"}))).mean(0) for state in states
    ]
    unit_SD = np.stack([mean / np.linalg.norm(mean) for mean in means]).astype(np.float32)
    every = vectors.take(np.arange(len(index.folder))) @ unit_SD.T
    even = np.full(len(states), 1 / len(states))
    return Scored(
        Character(name, tuple(states), (5,) * len(states)),
        tuple(captions(name, state) for state in states),
        unit_SD,
        Calibration(40.0, every.mean(0).astype(np.float64), np.log(even)),
        even,
        0.5,
        name != CHARACTERS[-1],
    )
