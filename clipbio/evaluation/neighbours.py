"""Exact nearest keys of queries, in chunks: ties and keys of the query's own individual are settled here.

Shape suffixes: Q queries, K keys, U distinct key vectors, D dimensions, k nearest keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Neighbours", "nearest_keys", "score_chunks"]

_SCORES_AT_ONCE = 1 << 22


class Neighbours(NamedTuple):
    """The nearest keys of each query: scores in descending order and key rows, -inf and -1 where there are fewer."""

    score_Qk: Tensor
    key_Qk: Tensor


def nearest_keys(
    query_QD: Tensor,
    key_KD: Tensor,
    *,
    k: int,
    query_group_Q: Tensor | None = None,
    key_group_K: Tensor | None = None,
) -> Neighbours:
    """Return the k keys with the highest inner products, exactly; equal scores in the order of key rows.

    Keys with equal vectors have equal scores, wherever they stand. A key is never met by a query of its own group;
    negative groups are nobody's. A score that is not a number counts as no score.

    Args:
        query_QD: Unit vectors of the queries.
        key_KD: Unit vectors of the keys.
        k: How many keys are asked for; the result is always that wide.
        query_group_Q: int64 group (individual) of each query.
        key_group_K: int64 group of each key; given together with the former.

    Returns:
        float32 scores and int64 key rows, both (Q, k).
    """
    parts = [_top(scores_QK, k) for _, scores_QK in score_chunks(query_QD, key_KD, query_group_Q, key_group_K) if k > 0]
    if not parts:
        shape = (len(query_QD), k)
        return Neighbours(torch.full(shape, -torch.inf), torch.full(shape, -1, dtype=torch.long))
    return Neighbours(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def score_chunks(
    query_QD: Tensor, key_KD: Tensor, query_group_Q: Tensor | None = None, key_group_K: Tensor | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of queries and their scores with all keys (q, K), -inf for keys of the own group."""
    if (query_group_Q is None) != (key_group_K is None):
        raise ValueError("groups are given for queries and keys, or for neither")
    distinct_UD, inverse_K = _distinct(key_KD.float())
    broken = not (bool(query_QD.isfinite().all()) and bool(distinct_UD.isfinite().all()))
    rows = max(1, _SCORES_AT_ONCE // max(1, len(key_KD)))
    for start in range(0, len(query_QD), rows):
        chosen = slice(start, start + rows)
        scores_QK = query_QD[chosen].float() @ distinct_UD.T
        scores_QK = scores_QK if inverse_K is None else scores_QK[:, inverse_K]
        if broken:
            scores_QK = scores_QK.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        if query_group_Q is not None and key_group_K is not None:
            _hide_own(scores_QK, query_group_Q[chosen], key_group_K)
        yield chosen, scores_QK


def _distinct(key_KD: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the distinct vectors in order of first occurrence, and which one each key has; None if all differ.

    A matrix product may give equal columns different last bits, depending on their place.
    """
    rows = np.ascontiguousarray(key_KD.cpu().numpy())
    first_of: dict[bytes, int] = {}
    inverse = [first_of.setdefault(blake2b(row, digest_size=16).digest(), len(first_of)) for row in rows]
    if len(first_of) == len(rows):
        return key_KD, None
    inverse_K = torch.tensor(inverse)
    first_U = torch.full((len(first_of),), len(rows)).scatter_reduce(0, inverse_K, torch.arange(len(rows)), "amin")
    return key_KD[first_U.to(key_KD.device)], inverse_K.to(key_KD.device)


def _hide_own(scores_QK: Tensor, query_group_Q: Tensor, key_group_K: Tensor) -> None:
    """Set the scores of keys of the own group to -inf, looking only at keys whose group occurs among the queries."""
    groups = query_group_Q[query_group_Q >= 0].to(key_group_K.device)
    met_M = torch.isin(key_group_K, groups).nonzero()[:, 0]
    if len(met_M):
        own_QM = query_group_Q.to(key_group_K.device)[:, None] == key_group_K[met_M]
        query, column = own_QM.nonzero(as_tuple=True)
        scores_QK[query.to(scores_QK.device), met_M[column].to(scores_QK.device)] = -torch.inf


def _top(scores_QK: Tensor, k: int) -> Neighbours:
    """Return the k best of each row; `topk` alone leaves open which of equal scores it takes."""
    width = min(k, scores_QK.shape[1])
    # One more than asked for shows whether a tie is cut through.
    score, key = scores_QK.topk(min(width + 1, scores_QK.shape[1]), dim=1)
    cut_Q = (score[:, width - 1] == score[:, -1]) if score.shape[1] > width else torch.zeros(len(score)).bool()
    score, key = score[:, :width], key[:, :width]
    if bool(cut_Q.any()):
        key[cut_Q] = _with_first_of_tied(scores_QK[cut_Q], score[cut_Q], key[cut_Q])
    key = key.sort(dim=1).values
    score, order = scores_QK.gather(1, key).sort(dim=1, descending=True, stable=True)
    key = key.gather(1, order).masked_fill(score == -torch.inf, -1)
    pad = (0, k - width)
    return Neighbours(
        torch.nn.functional.pad(score, pad, value=-torch.inf), torch.nn.functional.pad(key, pad, value=-1)
    )


def _with_first_of_tied(scores_RK: Tensor, score_Rk: Tensor, key_Rk: Tensor) -> Tensor:
    """Return k key rows where those tied with the last score are replaced by the first ones that have this score."""
    last_R1 = score_Rk[:, -1:]
    number_K = torch.arange(scores_RK.shape[1], device=scores_RK.device)
    tied_RK = torch.where(scores_RK == last_R1, number_K, scores_RK.shape[1])
    first_Rk = tied_RK.topk(score_Rk.shape[1], dim=1, largest=False).values.sort(dim=1).values
    above_R1 = (score_Rk > last_R1).sum(dim=1, keepdim=True)
    place_k = torch.arange(score_Rk.shape[1], device=scores_RK.device)
    return torch.where(place_k < above_R1, key_Rk, first_Rk.gather(1, (place_k - above_R1).clamp(min=0)))
