"""What the plots of the hierarchy need to know of one split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipbio.evaluation.calibration import Reliability
from clipbio.evaluation.figures import Figure
from clipbio.evaluation.hierarchy_space import Distances, Sample
from clipbio.evaluation.metrics import FloatArray

__all__ = ["HierarchyDetail", "Pictures"]

Pictures = Literal["tsne", "umap", "none"]


@dataclass(frozen=True)
class HierarchyDetail:
    """What the plots of one split need; `taxa` names the nodes of the sample, `count_C` is None without training data.

    `found` and `lucky` are the shares of answers at each distance from 0 to all ranks, of the model and of a class
    drawn at random.
    """

    split: str
    ranks: tuple[str, ...]
    figures: tuple[Figure, ...]
    reliability: Mapping[str, Reliability]
    found: FloatArray
    lucky: FloatArray
    accuracy_C: FloatArray
    count_C: NDArray[np.int64] | None
    many: int
    few: int
    distances: tuple[Distances, ...]
    sample: Sample
    taxa: tuple[str, ...]
    pictures: Pictures
    seed: int
