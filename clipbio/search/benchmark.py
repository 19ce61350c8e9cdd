"""Search as a benchmark: sentences that were left out of an index must find the pictures of their species.

Shape suffixes: N images, C species, S sentences that are searched, Q queries, D dimensions.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import bootstrap_interval, chance_average_precision, chance_recall
from clipbio.evaluation.paired import accuracy
from clipbio.evaluation.prompts import encode_unit
from clipbio.search.fusion import LEXICAL, best_rows, fuse, rank_lists, segment_best, unit_means
from clipbio.search.halves import Halves
from clipbio.search.languages import language as language_of
from clipbio.search.lexical import Lexicon
from clipbio.search.query import Engine
from clipbio.search.words import Words
from clipbio.seeding import derive_seed, rng

__all__ = ["LISTS", "SentenceSearch"]

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

ENGINES: tuple[Engine, ...] = get_args(Engine)
LISTS = ("description", "sentence", "meaning", "image")
"""What the engines fuse."""
IMAGES = "images"
"""Each image by its own cosine, as benchmark `retrieval` ranks them."""


class SentenceSearch:
    """Search for the pictures of a species by sentences about it, as the search engine does it.

    Half of the sentences of each species are indexed beside its images; those of the other half are asked one by one,
    and every image of the species is relevant. Figures under `search/SPLIT/RANKING`: `mAP`, the average precision over
    all images, and `recall@K`, the share of queries with an image of their species among the first K, with 95 %
    intervals over queries and over redrawn species. `chance` is the exact expectation of a random order. An image that
    a lexical ranking does not show counts as never found. `queries/unasked` counts species none of whose sentences is
    asked: their images are there to be confused with.

    The words of a query stand for themselves: a "not" in a sentence of a description is no operator.

    Args:
        engines: rankings to judge: engines (`fused`, `vector`, `lexical`), single lists of them (`description`,
            `sentence`, `meaning`, `image`), and `images`, each image by its own cosine.
        ks: the depths of recall.
        splits: the splits to run on; None is all that are evaluated.
        queries: at most so many are asked.
        language: of the descriptions, as an index has it.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the halves and the intervals.
    """

    def __init__(
        self,
        engines: Sequence[str] = (*ENGINES, *LISTS, IMAGES),
        ks: Sequence[int] = (1, 5, 10),
        *,
        splits: Sequence[str] | None = None,
        queries: int = 1000,
        language: str = "english",
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("search", "engines", engines, (*ENGINES, *LISTS, IMAGES))
        if not ks or min(ks) < 1:
            raise ClipbioError(f"benchmark search: ks={list(ks)}; give whole numbers from 1 up")
        if queries < 1:
            raise ClipbioError(f"benchmark search: queries={queries}; give a whole number from 1 up")
        self.engines = tuple(engines)
        self.ks = tuple(ks)
        self.splits = None if splits is None else tuple(splits)
        self.queries = queries
        self.language = language_of(language).name
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Search the images of one split."""
        halves = Halves.cut(data.classes, seed=self.seed, most_queries=self.queries)
        if not halves.queries:
            logger.warning("search: split %s has no images of a species with two sentences", data.split)
            return Result()
        with tempfile.TemporaryDirectory(prefix="clipbio-search-") as folder:
            searched = _Searched.build(data, halves, encode_text, self.language, Path(folder), self.seed)
            found = self._asked(searched, halves, encode_text)
        unasked = len(data.classes) - len(np.unique(halves.class_Q))
        result = Result(flatten([Figure("search", data.split, "queries", "unasked", unasked)]))
        for engine, answers in found.items():
            result += self._measured((data.split, engine), answers, halves, data.classes.names, searched)
        return result

    def _asked(self, searched: _Searched, halves: Halves, encode_text: EncodeText) -> dict[str, _Found]:
        """Ask every query of every ranking."""
        query_QD = encode_unit(halves.queries, encode_text).numpy()
        first = {engine: np.zeros(len(query_QD), np.int64) for engine in self.engines}
        precision = {engine: np.zeros(len(query_QD)) for engine in self.engines}
        for row, (text, wanted) in enumerate(zip(halves.queries, halves.class_Q.tolist(), strict=True)):
            orders = searched.orders(text, query_QD[row], self.engines)
            for engine, order in orders.items():
                hits = np.flatnonzero(searched.class_N[order] == wanted)
                first[engine][row] = hits[0] if len(hits) else len(searched.class_N)
                precision[engine][row] = (np.arange(1, len(hits) + 1) / (hits + 1)).sum() / searched.count_C[wanted]
        return {engine: _Found(first[engine], precision[engine]) for engine in self.engines}

    def _measured(
        self, place: tuple[str, str], found: _Found, halves: Halves, names: Sequence[str], searched: _Searched
    ) -> Result:
        """Return the figures of one ranking and what stands behind them."""
        relevant_Q, total = searched.count_C[halves.class_Q], len(searched.class_N)
        columns = {
            f"recall@{k}": ((found.first_Q < k).astype(np.float64), chance_recall(relevant_Q, total, k))
            for k in self.ks
        }
        columns["mAP"] = (found.precision_Q, chance_average_precision(relevant_Q, total))
        species = tuple(names[one] for one in halves.class_Q.tolist())
        ids = tuple(f"{name}: {text}" for name, text in zip(species, halves.queries, strict=True))
        path = ("search", *place)
        figures = [self._figure(path, metric, *column, halves.class_Q) for metric, column in columns.items()]
        answers = [Answers(*path, metric, ids, values, species) for metric, (values, _) in columns.items()]
        return Result(flatten(figures), (), tuple(answers))

    def _figure(
        self, path: tuple[str, str, str], metric: str, values_Q: Array, chance: float, class_Q: Array
    ) -> Figure:
        interval = over_species = None
        if self.bootstrap:
            seeds = [derive_seed("bootstrap", *path, metric, what, self.seed) for what in ("queries", "species")]
            interval = bootstrap_interval(values_Q, seed=seeds[0], resamples=self.bootstrap)
            over_species = accuracy(values_Q, unit_N=class_Q, seed=seeds[1], resamples=self.bootstrap).interval
        return Figure.measured(
            path,
            metric,
            value=float(values_Q.mean()),
            interval=interval,
            n=len(values_Q),
            chance=chance,
            species_interval=over_species,
        )


@dataclass(frozen=True)
class _Found:
    """The place of the first right image of each query, from 0, and its average precision."""

    first_Q: Array
    precision_Q: Array


@dataclass(frozen=True)
class _Searched:
    """Images and one half of the sentences. Images stand in a random order, so that equal scores favour no species.

    `offsets` cuts the sentences by species.
    """

    vectors_ND: Array
    class_N: Array
    count_C: Array
    sentence_SD: Array
    offsets: Array
    lexicon: Lexicon

    @classmethod
    def build(
        cls, data: SplitData, halves: Halves, encode_text: EncodeText, language: str, folder: Path, seed: int
    ) -> _Searched:
        """Encode and index; the lexical index lies in `folder`."""
        order_N = rng("search", "images", seed).permutation(len(data.images))
        class_N = data.images.class_N.cpu().numpy()[order_N]
        offsets = np.searchsorted(halves.class_S, np.arange(len(data.classes) + 1))
        documents = ["\n".join(halves.sentences[a:b]) for a, b in pairwise(offsets.tolist())]
        return cls(
            data.images.vectors_ND.float().cpu().numpy()[order_N],
            class_N,
            np.bincount(class_N, minlength=len(data.classes)),
            encode_unit(halves.sentences, encode_text).numpy(),
            offsets,
            Lexicon.build(folder, documents, list(halves.sentences), language),
        )

    def orders(self, text: str, query_D: Array, engines: Sequence[str]) -> dict[str, Array]:
        """Return the rows of images in the order of each engine, list or `images`."""
        words = Words(text, (), ())
        cosine_N = self.vectors_ND @ query_D
        every_N, every_C = np.ones(len(cosine_N), bool), np.ones(len(self.count_C), bool)
        scores = {
            "description": self.lexicon.document_scores(words),
            "sentence": segment_best(self.lexicon.sentence_scores(words), self.offsets),
            "meaning": segment_best(self.sentence_SD @ query_D, self.offsets),
            "image": unit_means(cosine_N, self.class_N, every_N, len(self.count_C)),
        }
        found: dict[str, Array] = {}
        for engine in engines:
            if engine == IMAGES:
                found[engine] = best_rows(cosine_N, None, every_N)
                continue
            if engine in ENGINES:
                lists = rank_lists(scores, every_C, engine)
            else:
                lists = rank_lists({engine: scores[engine]}, every_C, "fused")
            score_N = fuse(lists, len(every_C))[self.class_N]
            if {one.name for one in lists} <= LEXICAL:
                found[engine] = best_rows(score_N, None, score_N > 0)
            else:
                found[engine] = best_rows(score_N, cosine_N, every_N)
        return found
