"""What words score: sentences, descriptions and groups, by their words and by their meaning.

Shape suffixes: G groups, T descriptions, S sentences, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError
from clipbio.search.asking import NEGATED, AskedWords
from clipbio.search.fusion import fuse, mixed_scores, rank_lists
from clipbio.search.layout import Layout
from clipbio.search.lexical import Lexicon
from clipbio.search.query import Engine
from clipbio.search.texts import Texts

__all__ = ["SentenceScores", "WordLists"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SentenceScores:
    """What a text part scores with each sentence: BM25, and cosines with what is sought and with what is negated."""

    lexical_S: Array | None = None
    sought_S: Array | None = None
    negated_S: Array | None = None

    def best(self, sentences: Array, engine: Engine) -> int | None:
        """Return which of some sentences fits best by the lists that the engine fuses, None if none fits."""
        scores = {"sentence": self.lexical_S, "meaning": self.sought_S}
        own = {name: values_S[sentences] for name, values_S in scores.items() if values_S is not None}
        score = fuse(rank_lists(own, np.ones(len(sentences), bool), engine), len(sentences))
        return int(sentences[np.argmax(score)]) if len(score) and score.max() > 0 else None


class WordLists:
    """The scores of text parts, as ranked lists take them."""

    def __init__(self, texts: Texts, layout: Layout, lexicon: Lexicon | None) -> None:
        self._texts, self._layout, self._lexicon = texts, layout, lexicon

    def sentences(self, asked: AskedWords, engine: Engine) -> SentenceScores:
        """Return the scores of all sentences that the engine needs."""
        lexical_S = None
        if self._lexicon is not None and engine != "vector" and asked.words.positive:
            lexical_S = self._lexicon.sentence_scores(asked.words)
        return SentenceScores(lexical_S, self._cosines(asked.sought_D), self._cosines(asked.negated_D))

    def of_descriptions(self, scores: SentenceScores) -> dict[str, Array]:
        """Return the scores (T,) of the lists `sentence` and `meaning`, as far as there are any."""
        best = self._layout.best_of_descriptions
        found = {} if scores.lexical_S is None else {"sentence": best(scores.lexical_S)}
        return found | _meaning(scores, best)

    def own(self, scores: SentenceScores) -> Array | None:
        """Return what orders descriptions (T,) of equal scores: meaning, or unlikeness to what is negated."""
        best = self._layout.best_of_descriptions
        if scores.sought_S is None and scores.negated_S is not None:
            return -best(scores.negated_S)
        return _meaning(scores, best).get("meaning")

    def of_groups(self, asked: AskedWords, scores: SentenceScores) -> dict[str, Array]:
        """Return the scores (G,) of the lists `description`, `sentence` and `meaning`, as far as there are any."""

        def best(score_S: Array) -> Array:
            return self._layout.best_of_groups(self._layout.best_of_descriptions(score_S))

        found: dict[str, Array] = {}
        if self._lexicon is not None and scores.lexical_S is not None:
            found["description"] = self._lexicon.document_scores(asked.words)
            found["sentence"] = best(scores.lexical_S)
        return found | _meaning(scores, best)

    def groups_allowed(self, asked: AskedWords) -> Array:
        """Tell which groups (G,) have all quoted phrases and none that is negated."""
        return self._allowed(asked, self._layout.groups, lambda lexicon, phrase: lexicon.documents_with(phrase))

    def descriptions_allowed(self, asked: AskedWords) -> Array:
        """Tell which descriptions (T,) have all quoted phrases and none that is negated."""

        def contain(lexicon: Lexicon, phrase: str) -> Array:
            return self._layout.best_of_descriptions(lexicon.sentences_with(phrase)) > 0

        return self._allowed(asked, self._layout.descriptions, contain)

    def _allowed(self, asked: AskedWords, size: int, contain: Callable[[Lexicon, str], Array]) -> Array:
        if self._lexicon is None:
            return np.full(size, not asked.words.phrases)
        allowed = np.ones(size, bool)
        for phrase in asked.words.phrases:
            allowed &= contain(self._lexicon, phrase)
        for phrase in asked.words.negative:
            allowed &= ~contain(self._lexicon, phrase)
        return allowed

    def by_vectors(self, parts: Sequence[tuple[Array, float]]) -> Array:
        """Return the best score (T,) of the sentences of each description for vectors (D,) with their weights.

        Raises:
            ClipbioError: Sentences have no vectors.
        """
        if not self._layout.descriptions:
            return np.empty(0, np.float32)
        found = [cosine_S for vector_D, _ in parts if (cosine_S := self._cosines(vector_D)) is not None]
        if len(found) < len(parts):
            raise ClipbioError("the sentences of the index have no vectors to compare with: show specimens")
        takes_S = np.ones(len(found[0]), bool)
        return self._layout.best_of_descriptions(mixed_scores(found, [weight for _, weight in parts], takes_S))

    def _cosines(self, vector_D: Array | None) -> Array | None:
        sentence_SD = self._texts.sentence_SD
        return None if vector_D is None or sentence_SD is None else np.asarray(sentence_SD @ vector_D)


def _meaning(scores: SentenceScores, best: Callable[[Array], Array]) -> dict[str, Array]:
    if scores.sought_S is None:
        return {}
    meaning = best(scores.sought_S)
    if scores.negated_S is not None:
        negated = best(scores.negated_S)
        # Without sentences both are minus infinity.
        meaning = np.where(
            np.isfinite(meaning), meaning - NEGATED * np.where(np.isfinite(negated), negated, 0), meaning
        )
    return {"meaning": meaning}
