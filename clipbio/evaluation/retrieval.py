"""Retrieval both ways between images and texts; every image of the class of a text is relevant to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import (
    SCORE_TOLERANCE,
    average_precision,
    bootstrap_interval,
    chance_average_precision,
    chance_recall,
    first_hits,
)
from clipbio.evaluation.prompts import ClassTexts, PromptStyle, class_texts, encode_unit
from clipbio.seeding import derive_seed
from clipbio.text import MissingRanks

__all__ = ["Ranking", "Retrieval", "RetrievalDetail", "rank_items"]

logger = logging.getLogger(__name__)

TOP = 5
_SCORES_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Ranking:
    """How well each query was answered: rank of its first hit, average precision, best items, relevant items."""

    first_hit_Q: Tensor
    precision_Q: Tensor
    top_QK: Tensor
    top_score_QK: Tensor
    relevant_Q: Tensor


@dataclass(frozen=True)
class RetrievalDetail:
    """Answers of text to image for the report; rows of `ranking` are texts, its items are images."""

    split: str
    text_type: str
    candidates: Candidates
    texts: ClassTexts
    ids: tuple[str, ...]
    class_N: Tensor
    ranking: Ranking


def rank_items(queries_QD: Tensor, items_ND: Tensor, query_class_Q: Tensor, item_class_N: Tensor) -> Ranking:
    """Rank all items for each query, in chunks of queries; an item of the query's class is relevant."""
    rows = max(1, _SCORES_AT_ONCE // max(1, len(items_ND)))
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(queries_QD), rows):
        scores = queries_QD[start : start + rows].float() @ items_ND.float().T
        relevant = query_class_Q[start : start + rows, None] == item_class_N[None, :]
        top_score, top = scores.topk(min(TOP, len(items_ND)), dim=1)
        first = first_hits(scores, relevant, tolerance=SCORE_TOLERANCE)
        precision = average_precision(scores, relevant, tolerance=SCORE_TOLERANCE)
        parts.append((first, precision, top, top_score, relevant.sum(dim=1)))
    return Ranking(*(torch.cat(columns) for columns in zip(*parts)))


class Retrieval:
    """Retrieval of images by text and of texts by image.

    Figures under `retrieval/SPLIT/text_to_image` and `retrieval/SPLIT/image_to_text`: `recall@K` (share of queries with
    at least one relevant item among the first K, as CLIP_benchmark counts) and `mAP` (average precision over the full
    ranking), with 95 % bootstrap intervals over queries. A text query is one single text of a class, not their mean.
    `chance` is the exact expectation for a random ranking. `fallbacks` counts classes that lack the text type.

    Args:
        text_type: the text type of the queries.
        ks: the depths of recall.
        template: name of a template set, one template, or a list; each template of each text is a query.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        missing_ranks: what taxonomic text does with a missing rank.
        sentences: take the sentences of a description as queries instead of whole descriptions.
        seed: seed of the intervals.
    """

    def __init__(
        self,
        text_type: str = "description",
        ks: Sequence[int] = (1, 5, 10),
        *,
        template: str | Sequence[str] = "photo",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        missing_ranks: MissingRanks = "skip",
        sentences: bool = False,
        seed: int = 0,
    ) -> None:
        if not ks or min(ks) < 1:
            raise ClipbioError(f"benchmark retrieval: ks={list(ks)}; give whole numbers from 1 up")
        self.style = PromptStyle(text_type, template, missing_ranks, sentences)
        self.ks = tuple(ks)
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Rank the images of one split for its texts, and its texts for the images."""
        images = data.images
        if not len(images):
            logger.warning("retrieval: split %s has no images", data.split)
            return Result()
        texts = class_texts(data.classes, self.style)
        texts_TD = encode_unit(texts.texts, encode_text).to(images.vectors_ND.device)
        class_T, class_N = texts.class_T.to(texts_TD.device), images.class_N.to(texts_TD.device)
        to_image = rank_items(texts_TD, images.vectors_ND, class_T, class_N)
        to_text = rank_items(images.vectors_ND, texts_TD, class_N, class_T)
        figures = [
            *self._figures(data.split, "text_to_image", to_image, len(images)),
            *self._figures(data.split, "image_to_text", to_text, len(texts)),
            Figure("retrieval", data.split, "text_to_image", "fallbacks", int(texts.fallback_C.sum())),
        ]
        detail = RetrievalDetail(
            data.split, self.style.text_type, data.classes, texts, images.ids, images.class_N, _on_cpu(to_image)
        )
        names = data.classes.names
        answers = (
            *self._answers(data.split, "text_to_image", to_image, texts.texts, [names[c] for c in class_T.tolist()]),
            *self._answers(data.split, "image_to_text", to_text, images.ids, [names[c] for c in class_N.tolist()]),
        )
        return Result(flatten(figures), (detail,), answers)

    def _figures(self, split: str, direction: str, ranking: Ranking, num_items: int) -> Iterator[Figure]:
        path = ("retrieval", split, direction)
        relevant = ranking.relevant_Q.cpu().numpy()
        chances = {f"recall@{k}": chance_recall(relevant, num_items, k) for k in self.ks}
        chances["mAP"] = chance_average_precision(relevant, num_items)
        for metric, values in self._columns(ranking).items():
            interval = None
            if self.bootstrap:
                seed = derive_seed("bootstrap", *path, metric, self.seed)
                interval = bootstrap_interval(values, seed=seed, resamples=self.bootstrap)
            value, n = float(values.mean()), len(values)
            yield Figure.measured(path, metric, value=value, interval=interval, n=n, chance=chances[metric])

    def _answers(
        self, split: str, direction: str, ranking: Ranking, queries: Sequence[str], species: Sequence[str]
    ) -> Iterator[Answers]:
        """Yield the score of each query; the id of a text query is the text."""
        for metric, value_Q in self._columns(ranking).items():
            yield Answers("retrieval", split, direction, metric, tuple(queries), value_Q, tuple(species))

    def _columns(self, ranking: Ranking) -> dict[str, NDArray[np.float64]]:
        """Return one score per query for each metric."""
        first = ranking.first_hit_Q.cpu().numpy()
        columns = {f"recall@{k}": (first < k).astype(np.float64) for k in self.ks}
        return columns | {"mAP": ranking.precision_Q.cpu().double().numpy()}


def _on_cpu(ranking: Ranking) -> Ranking:
    return Ranking(*(getattr(ranking, name).cpu() for name in Ranking.__dataclass_fields__))
