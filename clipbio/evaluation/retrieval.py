"""Retrieval both ways between images and texts; every image of the class of a text is relevant to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import (
    SCORE_TOLERANCE,
    FloatArray,
    average_precision,
    bootstrap_interval,
    chance_average_precision,
    chance_recall,
    first_hits,
)
from clipbio.evaluation.prompts import ClassTexts, PromptStyle, class_texts, encode_unit
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.evaluation.retrieval_pairs import caption_pairs
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
class Asked:
    """The queries of one direction: ids (of a text query the text), and the class of each."""

    split: str
    ids: tuple[str, ...]
    species: tuple[str, ...]


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

    With `protocol=bioclip_v2` it is the retrieval of BioCAP: each image has its own caption, the first description of
    its record, and nothing else is relevant; the prompt is "a photo of" and the caption without a space. Text type,
    template, missing ranks and sentences are not asked for. What scores the same still counts against the model.
    `without_caption` counts images that are left out.

    Args:
        text_type: the text type of the queries.
        ks: the depths of recall.
        template: name of a template set, one template, or a list; each template of each text is a query.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        missing_ranks: what taxonomic text does with a missing rank.
        sentences: take the sentences of a description as queries instead of whole descriptions.
        protocol: `clipbio`, or `bioclip_v2` as published.
        seed: seed of the intervals.
    """

    PROTOCOLS = ("bioclip_v2",)

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
        protocol: Literal["clipbio", "bioclip_v2"] = "clipbio",
        seed: int = 0,
    ) -> None:
        check_choices("retrieval", "protocol", [protocol], (OWN, *self.PROTOCOLS))
        if not ks or min(ks) < 1:
            raise ClipbioError(f"benchmark retrieval: ks={list(ks)}; give whole numbers from 1 up")
        self.style = PromptStyle(text_type, template, missing_ranks, sentences)
        self.ks = tuple(ks)
        self.splits = None if splits is None else tuple(splits)
        self.task = task_name("retrieval", protocol)
        self.published = protocol != OWN
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Rank the images of one split for its texts, and its texts for the images."""
        images = data.images
        if not len(images):
            logger.warning("retrieval: split %s has no images", data.split)
            return Result()
        if self.published:
            return self._paired(data, encode_text)
        texts = class_texts(data.classes, self.style)
        texts_TD = encode_unit(texts.texts, encode_text).to(images.vectors_ND.device)
        class_T, class_N = texts.class_T.to(texts_TD.device), images.class_N.to(texts_TD.device)
        to_image = rank_items(texts_TD, images.vectors_ND, class_T, class_N)
        to_text = rank_items(images.vectors_ND, texts_TD, class_N, class_T)
        names = data.classes.names
        asked = Asked(data.split, texts.texts, tuple(names[one] for one in class_T.tolist()))
        shown = Asked(data.split, images.ids, tuple(names[one] for one in class_N.tolist()))
        detail = RetrievalDetail(
            data.split, self.style.text_type, data.classes, texts, images.ids, images.class_N, _on_cpu(to_image)
        )
        fallbacks = Figure(self.task, data.split, "text_to_image", "fallbacks", int(texts.fallback_C.sum()))
        return (
            self._measured(asked, "text_to_image", to_image, len(images))
            + self._measured(shown, "image_to_text", to_text, len(texts))
            + Result(flatten([fallbacks]), (detail,))
        )

    def _paired(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Rank images and their own captions for each other."""
        pairs = caption_pairs(data)
        texts_ND = encode_unit(pairs.texts, encode_text)
        number_N, count = torch.arange(len(pairs.ids)), len(pairs.ids)
        asked = Asked(data.split, pairs.ids, pairs.species)
        to_image = rank_items(texts_ND, pairs.vectors_ND, number_N, number_N)
        to_text = rank_items(pairs.vectors_ND, texts_ND, number_N, number_N)
        without = Figure(self.task, data.split, "text_to_image", "without_caption", pairs.without)
        return (
            self._measured(asked, "text_to_image", to_image, count)
            + self._measured(asked, "image_to_text", to_text, count)
            + Result(flatten([without]))
        )

    def _measured(self, asked: Asked, direction: str, ranking: Ranking, num_items: int) -> Result:
        """Return the figures of one direction and what stands behind them."""
        path = (self.task, asked.split, direction)
        relevant = ranking.relevant_Q.cpu().numpy()
        first = ranking.first_hit_Q.cpu().numpy()
        columns = {
            f"recall@{k}": ((first < k).astype(np.float64), chance_recall(relevant, num_items, k)) for k in self.ks
        }
        columns["mAP"] = (ranking.precision_Q.cpu().double().numpy(), chance_average_precision(relevant, num_items))
        figures = [self._figure(path, metric, *column) for metric, column in columns.items()]
        answers = [Answers(*path, metric, asked.ids, values, asked.species) for metric, (values, _) in columns.items()]
        return Result(flatten(figures), (), tuple(answers))

    def _figure(self, path: tuple[str, str, str], metric: str, values: FloatArray, chance: float) -> Figure:
        interval = None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, metric, self.seed)
            interval = bootstrap_interval(values, seed=seed, resamples=self.bootstrap)
        value, n = float(values.mean()), len(values)
        return Figure.measured(path, metric, value=value, interval=interval, n=n, chance=chance)


def _on_cpu(ranking: Ranking) -> Ranking:
    return Ranking(*(getattr(ranking, name).cpu() for name in Ranking.__dataclass_fields__))
