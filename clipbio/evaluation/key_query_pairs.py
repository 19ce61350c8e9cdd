"""A pool of keys and what it answers to queries of any form.

Shape suffixes: N specimens, Q queries (rows of a form), K keys (rows of a form), k nearest keys, R ranks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from clipbio.evaluation.key_query_answers import (
    Answers,
    Search,
    counts_of,
    own_pairs,
    places,
    taxon_places,
    tied_answers,
)
from clipbio.evaluation.key_query_forms import FORMS, Form, Protocol, Texts, forms_of, labels_of, own_of
from clipbio.evaluation.key_query_prototypes import mean_answers, text_answers
from clipbio.evaluation.neighbours import Neighbours
from clipbio.evaluation.specimens import Specimens

__all__ = ["ALL_KEYS", "PROTOTYPES", "KeyPool", "Matched", "Queries"]

ALL_KEYS = ("all", "all_normalised")
PROTOTYPES = tuple(f"{form}_prototype" for form in FORMS)
_MODALITIES = ("image", "dna", "text")
_TAXA_DEPTH = 50


@dataclass(frozen=True)
class Matched:
    """The answers to the queries of one form, with their labels and the number of keys."""

    answers: Answers
    label_QR: Tensor
    num_keys: int


@dataclass(frozen=True)
class Queries:
    """The queries of a split in every form they have."""

    forms: dict[str, Form]
    label_NR: Tensor
    own_N: Tensor

    @classmethod
    def build(cls, specimens: Specimens, ranks: Sequence[str], protocol: Protocol, texts: Texts | None) -> Queries:
        """Prepare the specimens of a split."""
        return cls(forms_of(specimens, texts), labels_of(specimens, ranks, protocol), own_of(specimens))


@dataclass(frozen=True)
class KeyPool(Queries):
    """Keys of several splits in one pool."""

    specimens: Specimens = field(kw_only=True)
    ranks: tuple[str, ...] = field(kw_only=True)
    texts: Texts | None = field(kw_only=True)

    @classmethod
    def build(cls, specimens: Specimens, ranks: Sequence[str], protocol: Protocol, texts: Texts | None) -> KeyPool:
        """Prepare the specimens of the key splits."""
        one = Queries.build(specimens, ranks, protocol, texts)
        return cls(one.forms, one.label_NR, one.own_N, specimens=specimens, ranks=tuple(ranks), texts=texts)

    def match(self, queries: Queries, query: str, key: str, depth: int) -> Matched | None:
        """Answer queries of one form by keys of one kind, as deep as `depth`; None where either does not exist."""
        if query not in queries.forms:
            return None
        if key in ALL_KEYS:
            return self._all(queries, query, depth, normalised=key == "all_normalised")
        form = key.removesuffix("_prototype")
        if form not in self.forms:
            return None
        return self._records(queries, query, key, depth) if form == key else self._prototypes(queries, query, form)

    def distinct(self, queries: Queries, query: str, key: str, depth: int) -> Matched:
        """Answer queries by the nearest distinct taxa."""
        search, keys = self._search(queries, query, key), self.forms[key]
        label_QR, label_KR = self._labels(queries, query, keys)
        near = search.nearest(max(depth, _TAXA_DEPTH))
        place_QR = taxon_places(search, near, label_QR, label_KR, depth)
        return self._matched(queries, query, keys, search, near, place_QR)

    def _search(self, queries: Queries, query: str, key: str) -> Search:
        asking, keys = queries.forms[query], self.forms[key]
        own_K = self.own_N[keys.row_M]
        # A text says nothing of the individual: an image may meet the text of its own record, but no text may.
        own_K = own_K if key != "text" or query == "text" else torch.full_like(own_K, -1)
        return Search(asking.vectors_MD, keys.vectors_MD, queries.own_N[asking.row_M], own_K)

    def _labels(self, queries: Queries, query: str, keys: Form) -> tuple[Tensor, Tensor]:
        return queries.label_NR[queries.forms[query].row_M], self.label_NR[keys.row_M]

    def _records(self, queries: Queries, query: str, key: str, depth: int) -> Matched:
        search, keys = self._search(queries, query, key), self.forms[key]
        label_QR, label_KR = self._labels(queries, query, keys)
        # Two are needed to see a tie.
        near = search.nearest(max(depth, 2))
        return self._matched(
            queries, query, keys, search, near, places(near.key_Qk[:, :depth], label_QR, label_KR), ties=True
        )

    def _matched(
        self,
        queries: Queries,
        query: str,
        keys: Form,
        search: Search,
        near: Neighbours,
        place_QR: Tensor,
        *,
        ties: bool = False,
    ) -> Matched:
        label_QR, label_KR = self._labels(queries, query, keys)
        relevant_QR, total_QR = counts_of(label_QR, label_KR, own_pairs(search.query_own_Q, search.key_own_K))
        tied_QR = tied_answers(search, near, label_KR) if ties else None
        return Matched(Answers(place_QR, relevant_QR, total_QR, tied_QR), label_QR, len(keys))

    def _prototypes(self, queries: Queries, query: str, form: str) -> Matched:
        asking, keys = queries.forms[query], self.forms[form]
        label_QR, label_KR = self._labels(queries, query, keys)
        if form == "text" and self.texts is not None:
            named = [self.specimens.named[row] for row in keys.row_M.tolist()]
            answers = text_answers(
                asking.vectors_MD, label_QR, label_KR, named=named, ranks=self.ranks, texts=self.texts
            )
        else:
            answers = mean_answers(self._search(queries, query, form), label_QR, label_KR)
        deepest_K = label_KR[:, -1]
        return Matched(answers, label_QR, len(set(deepest_K[deepest_K >= 0].tolist())))

    def _all(self, queries: Queries, query: str, depth: int, *, normalised: bool) -> Matched | None:
        """Answer by the keys of all modalities stacked, in the order image, DNA, text."""
        names = [name for name in _MODALITIES if name in self.forms]
        if len(names) < 2:
            return None
        row_K = torch.cat([self.forms[name].row_M for name in names])
        keys = Form(torch.zeros(len(row_K), 0), row_K)
        searches = [self._search(queries, query, name) for name in names]
        found = [_normalised(one, one.nearest(depth)) if normalised else one.nearest(depth) for one in searches]
        near = _merged(found, [len(self.forms[name]) for name in names], depth)
        own_K = torch.cat([one.key_own_K for one in searches])
        search = Search(searches[0].query_QD, keys.vectors_MD, searches[0].query_own_Q, own_K)
        label_QR, label_KR = self._labels(queries, query, keys)
        return self._matched(queries, query, keys, search, near, places(near.key_Qk, label_QR, label_KR))


def _normalised(search: Search, near: Neighbours) -> Neighbours:
    """Return scores in standard deviations above the mean score of the query with all keys of this modality.

    Mean and deviation follow from the mean vector and the covariance of the keys.
    """
    mean_D = search.key_KD.mean(dim=0)
    centred_KD = search.key_KD - mean_D
    covariance_DD = centred_KD.T @ centred_KD / len(centred_KD)
    variance_Q = ((search.query_QD @ covariance_DD) * search.query_QD).sum(dim=1)
    deviation_Q = variance_Q.clamp(min=1e-12).sqrt()
    return Neighbours((near.score_Qk - (search.query_QD @ mean_D)[:, None]) / deviation_Q[:, None], near.key_Qk)


def _merged(parts: Sequence[Neighbours], sizes: Sequence[int], k: int) -> Neighbours:
    """Return the k nearest of several pools, whose keys are numbered one pool after the other."""
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    score = torch.cat([part.score_Qk for part in parts], dim=1)
    key = torch.cat(
        [part.key_Qk + torch.where(part.key_Qk >= 0, start, 0) for part, start in zip(parts, starts, strict=True)],
        dim=1,
    )
    score, order = score.sort(dim=1, descending=True, stable=True)
    return Neighbours(score[:, :k], key.gather(1, order)[:, :k])
