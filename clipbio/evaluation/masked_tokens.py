"""How often a model guesses hidden tokens of barcodes, beside the most frequent token of each column.

Shape suffixes: N barcodes, L tokens, J tokens that were hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch import Tensor

from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.paired import Estimate, accuracy
from clipbio.seeding import derive_seed

__all__ = ["Guess", "MaskedTokenAccuracy"]

Guess = Callable[[Sequence[str], Sequence[int]], tuple[Tensor, Tensor, Tensor]]
"""Turn N barcodes and seeds into tokens_NL, a mask_NL of those that were hidden, and guesses_NL of them."""


class MaskedTokenAccuracy:
    """Figures under `masked_tokens/SPLIT/VARIANT/top1`: the share of hidden tokens that is guessed.

    `model` is the model, `column` the most frequent token of the same place in the train barcodes, which knows no
    barcode and is hard to beat where columns are conserved; `model_minus_column` is their difference, paired by token.
    The intervals redraw distinct barcodes, each of which counts once however many specimens have it.

    Args:
        guess: What the model says of hidden tokens.
        column_L: The most frequent train token of each place, -1 where none is known; None for no baseline.
        max_barcodes: Distinct barcodes of a split that are looked at, chosen by a hash; None looks at all.
        bootstrap: Resamples of the intervals, 0 for none.
        seed: Seed of masks, choice and intervals.
    """

    splits: tuple[str, ...] | None = None

    def __init__(
        self,
        guess: Guess,
        column_L: Tensor | None = None,
        *,
        max_barcodes: int | None = 2000,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        self.guess = guess
        self._column_L = None if column_L is None else column_L.numpy()
        self.max_barcodes, self.bootstrap, self.seed = max_barcodes, bootstrap, seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Measure one split; texts are not asked for."""
        del encode_text
        barcodes = self._chosen(data.specimens.barcodes if data.specimens is not None else ())
        if not barcodes:
            return Result()
        seeds = [derive_seed("masked tokens", barcode, self.seed) for barcode in barcodes]
        tokens_NL, hidden_NL, guess_NL = (one.numpy() for one in self.guess(barcodes, seeds))
        barcode_J, place_J = hidden_NL.nonzero()
        if not len(barcode_J):
            return Result()
        right = {"model": (guess_NL == tokens_NL)[hidden_NL]}
        if self._column_L is not None:
            right["column"] = self._column_L[place_J] == tokens_NL[hidden_NL]
            right["model_minus_column"] = right["model"].astype(np.int64) - right["column"]
        return Result(flatten(self._figures(data.split, right, barcode_J)))

    def _chosen(self, barcodes: Sequence[str]) -> list[str]:
        """Return distinct barcodes, the same ones whatever the order of the split."""
        distinct = {barcode for barcode in barcodes if barcode}
        return sorted(distinct, key=lambda barcode: derive_seed("chosen", barcode, self.seed))[: self.max_barcodes]

    def _figures(self, split: str, right: dict[str, np.ndarray], barcode_J: np.ndarray) -> Iterator[Figure]:
        for variant, right_J in right.items():
            seed = derive_seed("bootstrap", split, variant, self.seed)
            estimate: Estimate = accuracy(right_J, unit_N=barcode_J, seed=seed, resamples=self.bootstrap)
            low, high = estimate.interval or (None, None)
            yield Figure("masked_tokens", split, variant, "top1", estimate.value, low, high, estimate.n)
