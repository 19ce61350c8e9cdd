"""Which tokens a model must guess, and what it sees in their place.

Shape suffixes: B rows, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.seeding import rng

__all__ = ["Masked", "TokenMasking"]


class Masked(NamedTuple):
    """The tokens (B, L) that a model sees, and which of them were chosen to be guessed."""

    tokens_BL: Tensor
    chosen_BL: Tensor


class TokenMasking:
    """Choose tokens by chance and hide them; a pure function of tokens and seeds.

    BERT (https://arxiv.org/abs/1810.04805) chooses 15 %, of which a tenth stays and a tenth becomes another token;
    BarcodeBERT hides all of 50 %. Where tokens overlap, `span` hides neighbours together: a single one could be read
    off those beside it.

    Args:
        share: Share of the tokens that are chosen.
        span: Neighbouring tokens that are chosen together.
        random: Share of the chosen ones that a random token takes the place of.
        keep: Share of the chosen ones that stay as they are. All others become the token MASK.
    """

    def __init__(self, *, share: float = 0.5, span: int = 1, random: float = 0.0, keep: float = 0.0) -> None:
        if not 0 < share < 1:
            raise ClipbioError(f"loss.share={share} of masked tokens must lie between 0 and 1")
        if isinstance(span, bool) or not isinstance(span, int) or span < 1:
            raise ClipbioError(f"loss.span={span} must be a number of tokens from 1 on")
        if random < 0 or keep < 0 or random + keep > 1:
            raise ClipbioError(f"loss.random={random} and loss.keep={keep} must be shares, together at most 1")
        self.share, self.span, self.random, self.keep = share, span, random, keep
        # A token stays unless one of the `span` places where a span over it begins is drawn.
        self._start = 1 - (1 - share) ** (1 / span)

    def __call__(self, tokens_BL: Tensor, seeds: Sequence[int], *, first: int, last: int, mask_id: int) -> Masked:
        """Hide some of the tokens.

        Args:
            tokens_BL: Token ids.
            seeds: One seed per row.
            first: Lowest id that may be chosen; those below it are special tokens.
            last: Highest id.
            mask_id: Id of the token MASK.
        """
        length = tokens_BL.shape[1]
        drawn = [self._draw(length, seed, first, last) for seed in seeds]
        chosen, fate, other = (
            torch.from_numpy(np.stack(parts)).to(tokens_BL.device) for parts in zip(*drawn, strict=True)
        )
        chosen_BL = chosen & (tokens_BL >= first)
        seen_BL = torch.where(chosen_BL & (fate >= self.random + self.keep), mask_id, tokens_BL)
        return Masked(torch.where(chosen_BL & (fate < self.random), other, seen_BL), chosen_BL)

    def _draw(self, length: int, seed: int, first: int, last: int) -> tuple[np.ndarray[Any, Any], ...]:
        draw = rng("masking", seed)
        starts = draw.random(length + self.span - 1) < self._start
        chosen = np.asarray(np.lib.stride_tricks.sliding_window_view(starts, self.span).any(axis=1))
        return chosen, draw.random(length), draw.integers(first, last + 1, length)
