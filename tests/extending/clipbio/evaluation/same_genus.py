"""How near are the errors? The share of wrong answers that name a species of the right genus.

Shape suffixes: N images, C classes, D dimensions, W wrong answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import bootstrap_interval
from clipbio.text import render

__all__ = ["SameGenus"]


class SameGenus:
    """Ask binomials zero-shot; the figure is `same_genus/SPLIT/scientific/share`, with an interval over images.

    Args:
        template: Text with `{}` for the name.
        splits: The splits to judge; None is all that are evaluated.
        seed: Seed of the interval.
    """

    def __init__(self, *, template: str = "a photo of {}.", splits: Sequence[str] | None = None, seed: int = 0) -> None:
        self.template = template
        self.splits = None if splits is None else tuple(splits)
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Measure one split."""
        texts = [render(one, "scientific", template=self.template).text for one in data.classes.items]
        answer_N = (data.images.vectors_ND @ encode_text(texts).T).argmax(dim=1).numpy()
        class_N = data.images.class_N.numpy()
        genus_C = np.array([one.taxon.genus for one in data.classes.items])
        wrong_N = answer_N != class_N
        if not wrong_N.any():
            return Result()
        same_W = (genus_C[answer_N] == genus_C[class_N])[wrong_N].astype(np.float64)
        relatives_C = (genus_C[:, None] == genus_C).sum(axis=1) - 1
        figure = Figure.measured(
            ("same_genus", data.split, "scientific"),
            "share",
            value=float(same_W.mean()),
            interval=bootstrap_interval(same_W, seed=self.seed),
            n=len(same_W),
            chance=float((relatives_C[class_N[wrong_N]] / (len(genus_C) - 1)).mean()),
        )
        return Result(flatten([figure]))
