"""Open set: tell queries whose species has no key from those whose species has one, and place the latter."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import FloatArray, bootstrap_interval, stratified_interval
from clipbio.evaluation.novelty import SCORES, has_key, novelty_scores
from clipbio.evaluation.pools import PAIRS, UNSEEN_OF, Side, key_splits, parse_pair, seen_keys, side_of
from clipbio.evaluation.rejection import (
    Counts,
    best_threshold,
    count_scores,
    keeping_threshold,
    open_figures,
    open_intervals,
)
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["OpenSet", "OpenSetDetail"]

logger = logging.getLogger(__name__)

KEPT = 0.95


@dataclass(frozen=True)
class OpenSetDetail:
    """The queries at each distinct score, for the curves; `rule` says how the threshold was chosen."""

    split: str
    pair: str
    score: str
    counts: Counts
    threshold: float | None
    rule: str


class Asked(NamedTuple):
    """The queries of one pair and score: with a key (N), whether these are placed right, and without a key (M).

    `unlabelled` counts those left out.
    """

    known_N: FloatArray
    right_N: NDArray[np.bool_]
    unknown_M: FloatArray
    unlabelled: int


class OpenSet:
    """Open-set recognition against a pool of keys.

    A query is known if the pool holds a key of its taxon that is not of its own individual, unknown if it holds none.
    Known queries come from `val` and `test`, unknown ones from `val_unseen` and `unseen` (or as `unknown` says).
    Queries and keys without a label at the rank are left out: nobody can tell whether they are known.

    Figures under `open_set/KNOWN+UNKNOWN/QUERY_to_KEY` (further scores: `QUERY_to_KEY_mean`, `_margin`): `auroc`,
    `fpr95`, `oscr`, `top1` (known queries placed right when nothing is rejected), and at the threshold chosen on the
    validation splits `balanced` (the mean of `known_right` and `unknown_rejected`), `known_right`, `known_rejected`,
    `unknown_rejected`. The threshold has the best `balanced` on `val` and `val_unseen`; without unknown validation
    queries it is the highest that accepts 95 % of the known ones: `threshold_unknown` counts the unknown validation
    queries, 0 for that rule. Where everything is rejected there is no `threshold`. `unlabelled` counts the queries left
    out.

    Args:
        pairs: what is compared, as `image_to_dna`; `fused` is the mean of what a specimen has.
        scores: `nearest` (cosine of the nearest key), `mean` (of the k nearest), `margin` (over the next taxon).
        rank: the rank whose taxa are known or unknown.
        k: the number of keys that `mean` averages.
        keys: `seen` = keys of `key` or `train` alone, so that unseen species have none; `all` = `key_unseen` too.
        unknown: the split with unknown queries for a split with known ones; None is val_unseen and unseen. No split
            may stand in it twice: the threshold must not be chosen on queries that are judged.
        splits: the splits of known queries to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the intervals.
    """

    def __init__(
        self,
        pairs: Sequence[str] = ("image_to_image", "image_to_dna", "dna_to_dna", "fused_to_fused"),
        scores: Sequence[str] = SCORES,
        *,
        rank: str = "species",
        k: int = 5,
        keys: Literal["seen", "all"] = "seen",
        unknown: Mapping[str, str] | None = None,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("open_set", "rank", [rank], RANKS)
        check_choices("open_set", "keys", [keys], ("seen", "all"))
        check_choices("open_set", "scores", scores, SCORES)
        if k < 1:
            raise ClipbioError(f"benchmark open_set: k={k}; give a whole number from 1 up")
        if unknown is not None:
            _check_apart(unknown)
        check_choices("open_set", "pairs", pairs, PAIRS)
        self.pairs = {pair: parse_pair(pair) for pair in pairs}
        self.scores = tuple(dict.fromkeys(scores))
        self.rank = rank
        self.k = k
        self.keys = keys
        self.unknown = dict(UNSEEN_OF if unknown is None else unknown)
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the keys, the unknown queries, and the validation splits of the threshold.

        Raises:
            ClipbioError: `unknown` names a split that the data have not.
        """
        if self.unknown != UNSEEN_OF:
            for split in (*self.unknown, *self.unknown.values()):
                if split not in available:
                    told = f"{nearest(split, sorted(available))}; the data has {', '.join(available)}"
                    raise ClipbioError(f"benchmark open_set: unknown names the split '{split}'{told}")
        known = ["val", *self._known(evaluated)]
        asked = [split for pair in ((one, self.unknown.get(one)) for one in known) for split in pair if split]
        return tuple(dict.fromkeys(split for split in (*self._keys(available), *asked) if split in available))

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure every pair on every split of known queries; texts are not asked for."""
        del encode_text
        result = Result()
        lacking: dict[str, list[str]] = {}
        for pair, (query_kind, key_kind) in self.pairs.items():
            pool = self._pool(data, key_kind)
            if pool is None:
                logger.warning("open_set: no %s keys with a %s, no %s", key_kind, self.rank, pair)
                continue
            chosen_on = self._asked(data, "val", query_kind, pool)
            for known in self._known(evaluated):
                found = self._asked(data, known, query_kind, pool)
                split = self._name(known, data)
                if lacks := _lacks(found):
                    lacking.setdefault(f"{split} has no queries {lacks} a key of their {self.rank}", []).append(pair)
                    continue
                for score in found:
                    result += self._measure(split, pair, score, found[score], chosen_on.get(score))
        for line, pairs in lacking.items():
            logger.warning("open_set: %s (%s)", line, ", ".join(pairs))
        return result

    def _known(self, evaluated: Sequence[str]) -> list[str]:
        """Return the splits of known queries that were asked for, or whose unknown queries were."""
        wanted = [split for split in evaluated if self.splits is None or split in self.splits]
        return [known for known, unknown in self.unknown.items() if known in wanted or unknown in wanted]

    def _keys(self, available: Collection[str]) -> tuple[str, ...]:
        seen = seen_keys(available)
        return key_splits(available) if self.keys == "all" else () if seen is None else (seen,)

    def _name(self, known: str, data: Mapping[str, SplitData]) -> str:
        return f"{known}+{self.unknown[known]}" if self.unknown[known] in data else known

    def _pool(self, data: Mapping[str, SplitData], kind: str) -> Side | None:
        pool = side_of(data, self._keys(data), kind)
        labelled = None if pool is None else pool.only(pool.key_N(self.rank) >= 0)
        return labelled if labelled is not None and len(labelled) else None

    def _asked(self, data: Mapping[str, SplitData], known: str, kind: str, pool: Side) -> dict[str, Asked]:
        """Return the labelled queries of a split and its unknown partner, per score; nothing if there are none."""
        everything = side_of(data, (known, self.unknown.get(known)), kind)
        if everything is None:
            return {}
        query = everything.only(everything.key_N(self.rank) >= 0)
        if not len(query):
            return {}
        unlabelled = len(everything) - len(query)
        known_Q = has_key(query, pool, self.rank)
        scores, answer_Q = novelty_scores(query, pool, self.rank, k=self.k)
        right_Q = answer_Q == query.key_N(self.rank)
        return {
            name: Asked(score_Q[known_Q].numpy(), right_Q[known_Q].numpy(), score_Q[~known_Q].numpy(), unlabelled)
            for name, score_Q in ((one, scores[one].double()) for one in self.scores)
        }

    def _measure(self, split: str, pair: str, score: str, asked: Asked, chosen_on: Asked | None) -> Result:
        variant = pair if score == "nearest" else f"{pair}_{score}"
        path = ("open_set", split, variant)
        threshold, rule = _threshold(chosen_on)
        counts = count_scores(*asked[:3])
        figures = [*self._curve_figures(path, asked, counts), Figure(*path, "unlabelled", asked.unlabelled)]
        if chosen_on is not None and threshold is not None:
            figures += self._threshold_figures(path, asked, threshold)
            figures.append(Figure(*path, "threshold_unknown", len(chosen_on.unknown_M)))
        return Result(flatten(figures), (OpenSetDetail(split, pair, score, counts, threshold, rule),))

    def _curve_figures(self, path: tuple[str, str, str], asked: Asked, counts: Counts) -> Iterator[Figure]:
        known, unknown = len(asked.known_N), len(asked.unknown_M)
        seed = derive_seed("bootstrap", *path, self.seed)
        intervals = open_intervals(counts, seed=seed, resamples=self.bootstrap, kept=KEPT) if self.bootstrap else {}
        chances = {"auroc": 0.5, "fpr95": KEPT}
        for metric, value in open_figures(counts, kept=KEPT).items():
            low, high = intervals.get(metric, (None, None))
            n = unknown if metric == "fpr95" else known + unknown
            yield Figure(*path, metric, value, low, high, n, chances.get(metric))
        yield self._share(path, "top1", asked.right_N)

    def _threshold_figures(self, path: tuple[str, str, str], asked: Asked, threshold: float) -> Iterator[Figure]:
        accepted_N, rejected_M = asked.known_N >= threshold, asked.unknown_M < threshold
        right_N = accepted_N & asked.right_N
        both = np.concatenate([right_N, rejected_M])
        is_unknown = np.repeat(np.array([0, 1]), [len(right_N), len(rejected_M)])
        low, high = None, None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, "balanced", self.seed)
            low, high = stratified_interval(both, is_unknown, seed=seed, resamples=self.bootstrap)
        balanced = float((right_N.mean() + rejected_M.mean()) / 2)
        yield Figure(*path, "balanced", balanced, low, high, len(both))
        yield self._share(path, "known_right", right_N)
        yield self._share(path, "known_rejected", ~accepted_N)
        yield self._share(path, "unknown_rejected", rejected_M)
        if math.isfinite(threshold):
            yield Figure(*path, "threshold", threshold)

    def _share(self, path: tuple[str, str, str], metric: str, values_N: NDArray[np.bool_]) -> Figure:
        low, high = None, None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, metric, self.seed)
            low, high = bootstrap_interval(values_N.astype(np.float64), seed=seed, resamples=self.bootstrap)
        return Figure(*path, metric, float(values_N.mean()), low, high, len(values_N))


def _check_apart(unknown: Mapping[str, str]) -> None:
    """Refuse a split in two places: `val` chooses the threshold with its partner, whatever else is named."""
    named = [*dict.fromkeys(("val", *unknown)), *unknown.values()]
    for split in named:
        if named.count(split) > 1:
            raise ClipbioError(
                f"benchmark open_set: unknown={dict(unknown)} uses the split '{split}' twice, so the threshold would "
                "be chosen on queries that are judged; give {test: other} alone, or val a split of its own"
            )


def _lacks(found: Mapping[str, Asked]) -> str:
    """Tell which of both kinds of queries is missing, nothing if neither is."""
    one = next(iter(found.values()), None)
    if one is None or not len(one.known_N):
        return "with"
    return "" if len(one.unknown_M) else "without"


def _threshold(chosen_on: Asked | None) -> tuple[float | None, str]:
    """Return the threshold that validation queries give, and in words how."""
    if chosen_on is None or not len(chosen_on.known_N):
        return None, "no validation queries, so no threshold"
    if len(chosen_on.unknown_M):
        return best_threshold(count_scores(*chosen_on[:3])), "best on known and unknown validation queries"
    kept = f"accepts {100 * KEPT:.0f} % of the validation queries, none of which are unknown"
    return keeping_threshold(chosen_on.known_N, kept=KEPT), kept
