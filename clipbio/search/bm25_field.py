"""BM25 scores of many texts, memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BM25_B", "BM25_K1", "BM25Field"]

Array = npt.NDArray[Any]

BM25_K1, BM25_B = 1.5, 0.75
_ROWS, _SCORES = "rows.npy", "bm25"


class BM25Field:
    """BM25 as Lucene computes it (Kamphuis et al. 2020, doi:10.1007/978-3-030-45442-5_4).

    Texts without a word score 0 and do not count for the rarity of words and the mean length.

    Args:
        count: How many texts there are.
        rows: Those with words (n,), int64.
        bm25: A `bm25s.BM25` of these; None if there are none.
    """

    def __init__(self, count: int, rows: Array, bm25: Any) -> None:
        self.count = count
        self.rows = rows
        self.bm25 = bm25

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], numbers: dict[str, int]) -> BM25Field:
        """Return the field of texts given as numbers of words in `numbers`."""
        from bm25s import BM25

        rows = np.array([row for row, text in enumerate(texts) if text], dtype=np.int64)
        if not len(rows):
            return cls(len(texts), rows, None)
        bm25 = BM25(k1=BM25_K1, b=BM25_B, method="lucene")
        bm25.index(([texts[row] for row in rows], numbers), create_empty_token=False, show_progress=False)
        # Both fields share one vocabulary, which is written once.
        bm25.vocab_dict = {}
        return cls(len(texts), rows, bm25)

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / _ROWS, np.append(self.rows, self.count), allow_pickle=False)
        if self.bm25 is not None:
            self.bm25.save(folder / _SCORES, show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> BM25Field:
        """Map what `save` wrote."""
        from bm25s import BM25

        *_, count = rows = np.load(folder / _ROWS, mmap_mode="r", allow_pickle=False)
        bm25 = BM25.load(folder / _SCORES, mmap=True, load_vocab=False) if len(rows) > 1 else None
        return cls(int(count), rows[:-1], bm25)

    def scores(self, query: Sequence[int], unknown: int = 0) -> Array:
        """Return the score of each text (T,), float32, as a share of the highest that any text could have.

        Args:
            query: Numbers of words; one given twice counts twice.
            unknown: How many further words the query has, which stand in no text.
        """
        scores = np.zeros(self.count, dtype=np.float32)
        if self.bm25 is not None and query:
            scores[self.rows] = self.bm25.get_scores_from_ids(query) / self._highest(query, unknown)
        return scores

    def _highest(self, query: Sequence[int], unknown: int) -> float:
        """Return the score of a text that repeats each word without end: the sum of the rarities of the words."""
        # One score is stored for each text that has a word.
        ends = self.bm25.scores["indptr"]
        words = np.asarray(query)
        texts = np.concatenate([ends[words + 1] - ends[words], np.zeros(unknown)])
        return float(np.log1p((len(self.rows) - texts + 0.5) / (texts + 0.5)).sum())
