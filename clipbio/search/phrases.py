"""Where words stand in many texts, memory-mapped: finds those that contain a phrase and do not deny it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PhraseIndex"]

Array = npt.NDArray[Any]

# So many words before a phrase are looked at for a negation.
_REACH = 3
_ARRAYS = ("tokens", "breaks", "starts", "order", "begins")


class PhraseIndex:
    """The words of texts in a row.

    Args:
        tokens: Numbers of words (P,), int32, text after text.
        breaks: (P,) bool: a mark, or the start of a text, stands before the word.
        starts: Where each text begins in them (T + 1,), int64.
        order: The places of each word in turn (P,), int64.
        begins: Where the places of a word begin in `order` (V + 1,), int64.
    """

    def __init__(self, tokens: Array, breaks: Array, starts: Array, order: Array, begins: Array) -> None:
        self.tokens = tokens
        self.breaks = breaks
        self.starts = starts
        self.order = order
        self.begins = begins

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], breaks: Sequence[Sequence[bool]], vocabulary: int) -> PhraseIndex:
        """Return the index of texts given as numbers below `vocabulary`, and whether a mark stands before each."""
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        tokens = np.fromiter((number for text in texts for number in text), np.int32, count=int(starts[-1]))
        marks = np.fromiter((mark for text in breaks for mark in text), np.bool_, count=int(starts[-1]))
        marks[starts[:-1][lengths > 0]] = True
        counts = np.bincount(tokens, minlength=vocabulary)
        begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return cls(tokens, marks, starts, np.argsort(tokens, kind="stable"), begins)

    def save(self, folder: Path) -> None:
        """Write one .npy file per array."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> PhraseIndex:
        """Map what `save` wrote."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS))

    def containing(
        self, phrase: Sequence[int], breaks: Sequence[bool], negators: Collection[int], joiners: Collection[int]
    ) -> Array:
        """Return which texts contain a phrase (T,), bool, at a place where no word before it negates it.

        Args:
            phrase: Numbers of its words, -1 for one that no text has; one without words is nowhere.
            breaks: Whether a mark stands before each: only there one may stand in the text.
            negators: Words that negate what follows within three words ...
            joiners: ... unless one of these, or a mark, stands between.
        """
        found = np.zeros(len(self.starts) - 1, dtype=np.bool_)
        if not phrase or min(phrase) < 0:
            return found
        places = self._places(phrase, breaks)
        places = places[~self._negated(places, negators, joiners)]
        found[np.searchsorted(self.starts, places, side="right") - 1] = True
        return found

    def _places(self, phrase: Sequence[int], breaks: Sequence[bool]) -> Array:
        """Return where a phrase begins."""
        places = np.array(self.order[self.begins[phrase[0]] : self.begins[phrase[0] + 1]])
        for step, (number, mark) in enumerate(zip(phrase[1:], breaks[1:], strict=True), start=1):
            places = places[places + step < len(self.tokens)]
            fits = self.tokens[places + step] == number
            broken = self.breaks[places + step]
            places = places[fits & (~broken | mark)]
        # A mark in the phrase must not let it run from one text into the next.
        lasts = places + len(phrase) - 1
        first_text, last_text = (np.searchsorted(self.starts, at, side="right") for at in (places, lasts))
        return np.asarray(places[first_text == last_text])

    def _negated(self, places: Array, negators: Collection[int], joiners: Collection[int]) -> Array:
        negated = np.zeros(len(places), dtype=np.bool_)
        # Whether the words between are of the same run.
        together = ~self.breaks[places]
        for step in range(1, _REACH + 1):
            before = np.maximum(places - step, 0)
            words = self.tokens[before]
            together &= ~np.isin(words, list(joiners))
            negated |= together & np.isin(words, list(negators))
            together &= ~self.breaks[before]
        return negated
