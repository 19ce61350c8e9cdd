"""One key per taxon instead of one per record: the text of the taxon, or the mean of its keys.

Shape suffixes: Q queries, K keys, C taxa of one rank, D dimensions, R ranks, P pairs of a query with a taxon.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.evaluation.embeddings import Candidate
from clipbio.evaluation.key_query_answers import NEVER, Answers, Search, own_pairs
from clipbio.evaluation.key_query_forms import Texts
from clipbio.evaluation.metrics import SCORE_TOLERANCE, target_ranks
from clipbio.taxonomy import RANKS, Taxon
from clipbio.text import Named

__all__ = ["mean_answers", "text_answers"]

_SCORES_AT_ONCE = 1 << 22


def mean_answers(search: Search, label_QR: Tensor, label_KR: Tensor) -> Answers:
    """Compare queries with the mean unit vector of each taxon, rank by rank; the own individual is left out of it."""
    return _stacked(
        [
            _mean_answers(search, label_QR[:, rank].contiguous(), label_KR[:, rank].contiguous())
            for rank in range(label_QR.shape[1])
        ]
    )


def _mean_answers(search: Search, label_Q: Tensor, label_K: Tensor) -> Answers:
    known_K = label_K >= 0
    label_C, taxon_K = torch.unique(label_K[known_K], return_inverse=True)
    vectors_KD = search.key_KD[known_K]
    total_CD = torch.zeros(len(label_C), vectors_KD.shape[1]).index_add_(0, taxon_K, vectors_KD)
    count_C = torch.bincount(taxon_K, minlength=len(label_C))
    own = own_pairs(search.query_own_Q, search.key_own_K[known_K])
    # One entry per query and taxon, also where several keys of that taxon are the query's own.
    pair_P, entry = torch.unique(own.query_P * max(1, len(label_C)) + taxon_K[own.key_P], return_inverse=True)
    query_P, taxon_P = pair_P // max(1, len(label_C)), pair_P % max(1, len(label_C))
    own_PD = torch.zeros(len(pair_P), vectors_KD.shape[1]).index_add_(0, entry, vectors_KD[own.key_P])
    left_P = count_C[taxon_P] - torch.bincount(entry, minlength=len(pair_P))
    other_PD = functional.normalize(total_CD[taxon_P] - own_PD, dim=1)
    score_P = (search.query_QD[query_P] * other_PD).sum(dim=1).masked_fill(left_P == 0, -torch.inf)
    corrected = (query_P, taxon_P, score_P)
    return _ranked(search.query_QD, functional.normalize(total_CD, dim=1), label_Q, label_C, corrected)


def text_answers(
    query_QD: Tensor, label_QR: Tensor, label_KR: Tensor, *, named: Sequence[Named], ranks: Sequence[str], texts: Texts
) -> Answers:
    """Compare queries with one text per taxon and rank, cut at that rank; `named` are the records of `label_KR`."""
    answers = []
    for place, rank in enumerate(ranks):
        taxa = _taxa(label_KR[:, place], named, rank)
        worded = {label: text for label, one in taxa.items() if (text := texts.wording(one)) is not None}
        vectors_CD = texts.encode(list(worded.values()))
        if vectors_CD is None:
            vectors_CD = torch.zeros(0, query_QD.shape[1])
        label_C, order_C = torch.tensor(list(worded), dtype=torch.long).sort()
        answers.append(_ranked(query_QD, vectors_CD[order_C], label_QR[:, place], label_C, None))
    return _stacked(answers)


def _taxa(label_K: Tensor, named: Sequence[Named], rank: str) -> dict[int, Candidate]:
    """Return each labelled taxon of a rank, cut at it, from the record that knows most ranks above."""
    best: dict[int, tuple[int, Named]] = {}
    depth = RANKS.index(rank) + 1
    for label, one in zip(label_K.tolist(), named, strict=True):
        known = sum(map(bool, one.taxon.ranks[:depth]))
        if label >= 0 and known > best.get(label, (-1, one))[0]:
            best[label] = (known, one)
    return {label: _cut(label, one, depth) for label, (_, one) in best.items()}


def _cut(key: int, named: Named, depth: int) -> Candidate:
    taxon = Taxon(*(name if place < depth else "" for place, name in enumerate(named.taxon.ranks)))
    if depth < len(RANKS):
        return Candidate(key, "", taxon)
    return Candidate(key, "", taxon, named.common_names, label=named.label)


def _ranked(
    query_QD: Tensor,
    vectors_CD: Tensor,
    label_Q: Tensor,
    label_C: Tensor,
    corrected: tuple[Tensor, Tensor, Tensor] | None,
) -> Answers:
    """Rank the taxa of one rank (labels sorted) for each query; ties count against the model.

    `corrected` gives scores that replace those of some (query, taxon), sorted by query.
    """
    classes = len(label_C)
    if not classes:
        nothing_Q = torch.zeros_like(label_Q)
        return Answers(nothing_Q + NEVER, nothing_Q, nothing_Q)
    target_Q = torch.searchsorted(label_C, label_Q.contiguous()).clamp(max=classes - 1)
    known_Q = (label_C[target_Q] == label_Q) & (label_Q >= 0)
    places, totals, reached = [], [], []
    rows = max(1, _SCORES_AT_ONCE // classes)
    for start in range(0, len(query_QD), rows):
        chosen = slice(start, start + rows)
        scores_QC = query_QD[chosen] @ vectors_CD.T
        if corrected is not None:
            query_P, taxon_P, score_P = corrected
            first, last = torch.searchsorted(query_P, torch.tensor([start, start + rows])).tolist()
            scores_QC[query_P[first:last] - start, taxon_P[first:last]] = score_P[first:last]
        target_Q1 = target_Q[chosen, None]
        reached.append((scores_QC.gather(1, target_Q1) > -torch.inf)[:, 0])
        places.append(target_ranks(scores_QC, target_Q1[:, 0], tolerance=SCORE_TOLERANCE))
        totals.append((scores_QC != -torch.inf).sum(dim=1))
    relevant_Q = known_Q & torch.cat(reached) if places else known_Q
    place_Q = torch.cat(places) if places else torch.zeros_like(label_Q)
    total_Q = torch.cat(totals) if totals else torch.zeros_like(label_Q)
    return Answers(torch.where(relevant_Q, place_Q, NEVER), relevant_Q.long(), total_Q)


def _stacked(parts: Sequence[Answers]) -> Answers:
    """Put the answers of each rank side by side."""
    return Answers(
        torch.stack([part.place_QR for part in parts], dim=1),
        torch.stack([part.relevant_QR for part in parts], dim=1),
        torch.stack([part.total_QR for part in parts], dim=1),
    )
