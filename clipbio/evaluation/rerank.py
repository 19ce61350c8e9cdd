"""Reranking: the candidate images of a query put in order by its text, as in INQUIRE-Rerank.

Shape suffixes: N candidate images of one query, R relevant ones, Q queries, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.annotated import Annotated, annotated_images, note, text_of, yes_or_no
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import (
    SCORE_TOLERANCE,
    FloatArray,
    bootstrap_interval,
    chance_average_precision,
    chance_recall,
)
from clipbio.evaluation.prompts import encode_unit
from clipbio.seeding import derive_seed

__all__ = ["Query", "Rerank", "relevant_places"]

logger = logging.getLogger(__name__)

_METRICS = ("mAP", "nDCG", "MRR")


@dataclass(frozen=True)
class Query:
    """A text, what kind of question it is, and its candidates: rows of images, and which of them are relevant."""

    text: str
    kind: str
    row_N: tuple[int, ...]
    relevant_N: NDArray[np.bool_]


def relevant_places(score_N: FloatArray, relevant_N: NDArray[np.bool_], *, tolerance: float = 0.0) -> FloatArray:
    """Return the places of the relevant images in the ranking, from 1; what scores the same stands before them."""
    others = np.sort(score_N[~relevant_N])
    hits_R = np.sort(score_N[relevant_N])[::-1]
    ahead_R = len(others) - np.searchsorted(others, hits_R - tolerance)
    return np.asarray(np.arange(1, len(hits_R) + 1) + ahead_R, np.float64)


def _measures(place_R: FloatArray) -> tuple[float, float, float]:
    """Return average precision, nDCG and reciprocal rank."""
    ordinal_R = np.arange(1, len(place_R) + 1)
    gain, ideal = (1 / np.log2(1 + place_R)).sum(), (1 / np.log2(1 + ordinal_R)).sum()
    return float((ordinal_R / place_R).mean()), float(gain / ideal), float(1 / place_R[0])


def _chances(relevant: int, total: int) -> tuple[float, float, float]:
    """Return what a random ranking is expected to reach."""
    counts_1 = np.array([relevant])
    place_N = np.arange(1, total + 1)
    gains_N = 1 / np.log2(1 + place_N)
    found_N = np.array([chance_recall(counts_1, total, k) for k in range(total + 1)])
    return (
        chance_average_precision(counts_1, total),
        float(relevant * gains_N.mean() / gains_N[:relevant].sum()),
        float((np.diff(found_N) / place_N).sum()),
    )


class Rerank:
    """Reranking of the candidates of each query by its text, as it is, without any template.

    The metadata of a record hold a `query`, whether the image is `relevant` to it (1 or 0), and the kind of query as
    `query_type`; an image of several queries has one record for each.

    Figures under `rerank/SPLIT/all` and `rerank/SPLIT/KIND`: means over queries of the average precision (`mAP`), of
    the discounted gain over the full ranking (`nDCG`), and of one over the place of the first relevant image (`MRR`),
    with intervals over queries. `chance` is the exact expectation for a random order. Images that score the same as a
    relevant one stand before it. Queries without any relevant image are left out and counted as `without_relevant`,
    images without a query, or of unknown relevance, as `unlabelled`.

    Source: Vendrow et al. 2024, INQUIRE, arXiv:2411.02537.

    Args:
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the intervals.
    """

    def __init__(self, *, splits: Sequence[str] | None = None, bootstrap: int = 1000, seed: int = 0) -> None:
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Rank the candidates of every query of one split.

        Raises:
            ClipbioError: No query has a relevant image.
        """
        images = annotated_images(data, "query", "rerank")
        everything = _queries(images)
        queries = [one for one in everything if one.relevant_N.any()]
        if not queries:
            raise ClipbioError(
                f"benchmark rerank: none of the {len(everything)} queries of split '{data.split}' has an image with "
                "relevant=1 in its metadata: evaluate a data set that has it (docs/traits.md)"
            )
        texts_QD = encode_unit([one.text for one in queries], encode_text)
        values_Q3 = np.array([_judge(one, images.vectors_ND, texts_QD[row]) for row, one in enumerate(queries)])
        chances_Q3 = np.array([_chances(int(one.relevant_N.sum()), len(one.row_N)) for one in queries])
        figures: list[Figure] = []
        answers: list[Answers] = []
        for kind in ("all", *sorted({one.kind for one in queries} - {"all"})):
            chosen = [row for row, one in enumerate(queries) if kind in ("all", one.kind)]
            path, texts = ("rerank", data.split, kind), tuple(queries[row].text for row in chosen)
            figures += self._figures(path, values_Q3[chosen], chances_Q3[chosen])
            answers += [
                Answers(*path, metric, texts, values_Q3[chosen, place], texts) for place, metric in enumerate(_METRICS)
            ]
        judged = sum(len(one.row_N) for one in everything)
        counts = {
            "without_relevant": len(everything) - len(queries),
            "unlabelled": images.left_out + len(images) - judged,
        }
        figures += [Figure("rerank", data.split, "all", name, value) for name, value in counts.items()]
        return Result(flatten(figures), (), tuple(answers))

    def _figures(self, path: tuple[str, str, str], values_Q3: FloatArray, chances_Q3: FloatArray) -> Iterator[Figure]:
        for metric, value_Q, chance_Q in zip(_METRICS, values_Q3.T, chances_Q3.T, strict=True):
            interval = None
            if self.bootstrap:
                seed = derive_seed("bootstrap", *path, metric, self.seed)
                interval = bootstrap_interval(value_Q, seed=seed, resamples=self.bootstrap)
            value, chance, n = float(value_Q.mean()), float(chance_Q.mean()), len(value_Q)
            yield Figure.measured(path, metric, value=value, interval=interval, n=n, chance=chance)


def _judge(query: Query, vectors_ND: Tensor, text_D: Tensor) -> tuple[float, float, float]:
    score_N = (vectors_ND[list(query.row_N)] @ text_D).double().numpy()
    return _measures(relevant_places(score_N, query.relevant_N, tolerance=SCORE_TOLERANCE))


def _queries(images: Annotated) -> list[Query]:
    """Return the queries by their text, with the images whose relevance is known."""
    rows: dict[str, list[int]] = {}
    relevant = [yes_or_no(note(named, "relevant")) for named in images.named]
    for row, named in enumerate(images.named):
        if relevant[row] is not None and (text := text_of(named, "query")):
            rows.setdefault(text, []).append(row)
    return [
        Query(text, _kind(images, found[0]), tuple(found), np.array([relevant[row] for row in found], bool))
        for text, found in sorted(rows.items())
    ]


def _kind(images: Annotated, row: int) -> str:
    return text_of(images.named[row], "query_type").replace("/", "-") or "none"
