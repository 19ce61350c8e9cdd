"""Taxon-consistent prediction: one way down the tree of the keys, as deep as the confidence carries."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.hierarchy import BackOffCurve, Judged, back_off, back_off_curve, consistent, distance
from clipbio.evaluation.metrics import bootstrap_interval
from clipbio.evaluation.pools import PAIRS, UNSEEN_OF, Side, key_splits, parse_pair, side_of
from clipbio.evaluation.taxon_tree import UNKNOWN, TaxonTree
from clipbio.evaluation.tree_answers import TreeAnswers, Votes, answer, choose_temperature
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["TaxonConsistent", "TaxonConsistentDetail"]

logger = logging.getLogger(__name__)

VALIDATION = ("val", UNSEEN_OF["val"])
Path = tuple[str, str, str]


@dataclass(frozen=True)
class TaxonConsistentDetail:
    """Accuracy against depth of one split and pair, and the (depth, accuracy) of the chosen confidence."""

    split: str
    pair: str
    curve: BackOffCurve
    chosen: tuple[float, float] | None
    accuracy: float


class _Keys(NamedTuple):
    """The keys of a pair, their tree, and what validation chose for them."""

    side: Side
    tree: TaxonTree
    temperature: float
    confidence: float | None


class TaxonConsistent:
    """Prediction along the tree of the keys.

    The similarities to all keys become shares of a softmax, which are summed up the tree; from the root the way leads
    to the best child at each step, so the answers of all ranks agree with each other. Its confidence, the share below a
    taxon, only falls on the way down: backing off means to stop at the deepest rank with enough of it. A record that is
    known to its family alone speaks for its family and what lies above.

    Figures under `taxon_consistent/SPLIT/QUERY_to_KEY`: `RANK/top1` over queries with a label at that rank,
    `consistent` (the share of answers that lie on one path), `distance` (the mean height of the lowest common ancestor
    of answer and truth, in ranks) and `distance_wrong` (of wrong answers alone). For comparison, rank by rank without
    the tree: `QUERY_to_KEY_best` (the taxon with the highest sum) and `QUERY_to_KEY_nearest` (the label of the nearest
    key that is labelled there). `QUERY_to_KEY_backoff` stops at the confidence chosen on `val` and `val_unseen`:
    `right` (nothing that is said is wrong), `depth` in ranks, `RANK/answered` and `RANK/top1`, where no answer is a
    wrong one. It is chosen on queries with a label at the deepest of `ranks`, for of others it cannot be seen that an
    answer goes too deep. Queries without any label are left out; `unlabelled` counts them.

    Args:
        pairs: what is compared, as `image_to_dna`; `fused` is the mean of what a specimen has.
        ranks: the ranks of the figures; the tree has all seven.
        votes: `keys` = every key has a share of the softmax; `taxa` = every taxon has, by its nearest key.
        temperatures: those to choose from on the validation splits: the true taxa get the highest mean log confidence.
            Without validation queries the middle one is taken, and nothing backs off.
        accuracy: the share of right answers that backing off has to reach on validation, as deep as it can be.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the intervals.
    """

    def __init__(
        self,
        pairs: Sequence[str] = ("image_to_image", "image_to_dna", "dna_to_dna", "fused_to_fused"),
        ranks: Sequence[str] = ("order", "family", "genus", "species"),
        *,
        votes: Votes = "keys",
        temperatures: Sequence[float] = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
        accuracy: float = 0.9,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("taxon_consistent", "ranks", ranks, RANKS)
        check_choices("taxon_consistent", "votes", [votes], ("keys", "taxa"))
        if not temperatures or min(temperatures) <= 0:
            raise ClipbioError(f"benchmark taxon_consistent: temperatures={list(temperatures)}; give numbers above 0")
        if not 0 <= accuracy <= 1:
            raise ClipbioError(f"benchmark taxon_consistent: accuracy={accuracy}; give a share between 0 and 1")
        check_choices("taxon_consistent", "pairs", pairs, PAIRS)
        self.pairs = {pair: parse_pair(pair) for pair in pairs}
        self.ranks = tuple(dict.fromkeys(ranks))
        self.votes = votes
        self.temperatures = sorted(temperatures)
        self.accuracy = accuracy
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the keys, and the validation splits of temperature and confidence."""
        del evaluated
        return tuple(split for split in (*key_splits(available), *VALIDATION) if split in available)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure every pair on every split; texts are not asked for."""
        del encode_text
        result = Result()
        for pair, (query_kind, key_kind) in self.pairs.items():
            keys = self._keys(data, query_kind, key_kind)
            if keys is None:
                logger.warning("taxon_consistent: no %s keys with a taxon, no %s", key_kind, pair)
                continue
            for split in evaluated:
                query = side_of(data, [split], query_kind)
                if query is None:
                    continue
                labelled = query.only((query.taxon_NR >= 0).any(dim=1))
                if not len(labelled):
                    logger.warning("taxon_consistent: no query of %s has a label (%s)", split, pair)
                    continue
                result += self._measure(split, pair, labelled, keys)
                unlabelled = Figure("taxon_consistent", split, pair, "unlabelled", len(query) - len(labelled))
                result += Result(flatten([unlabelled]))
        return result

    def _keys(self, data: Mapping[str, SplitData], query_kind: str, key_kind: str) -> _Keys | None:
        everything = side_of(data, key_splits(data), key_kind)
        if everything is None or not bool((everything.taxon_NR >= 0).any()):
            return None
        side = everything.only((everything.taxon_NR >= 0).any(dim=1))
        tree = TaxonTree.from_lineages(side.taxon_NR)
        query = side_of(data, VALIDATION, query_kind)
        if query is None:
            middle = self.temperatures[len(self.temperatures) // 2]
            logger.warning("taxon_consistent: no %s in val: temperature %g, nothing backs off", query_kind, middle)
            return _Keys(side, tree, middle, None)
        temperature = choose_temperature(query, side, tree, self.temperatures, self.votes)
        deepest = max(self.ranks, key=RANKS.index)
        judged = query.only(query.key_N(deepest) >= 0)
        if not len(judged):
            logger.warning("taxon_consistent: no %s in val with a %s, nothing backs off", query_kind, deepest)
            return _Keys(side, tree, temperature, None)
        found = answer(judged, side, tree, temperature=temperature, votes=self.votes)
        curve = back_off_curve(Judged.of(found.path_QR, found.confidence_QR, tree.nodes(judged.taxon_NR)))
        return _Keys(side, tree, temperature, curve.choose(self.accuracy))

    def _measure(self, split: str, pair: str, query: Side, keys: _Keys) -> Result:
        tree = keys.tree
        truth_QR = tree.nodes(query.taxon_NR)
        found = answer(query, keys.side, tree, temperature=keys.temperature, votes=self.votes)
        figures = [Figure("taxon_consistent", split, pair, "temperature", keys.temperature)]
        for suffix, answer_QR in (("", found.path_QR), ("_best", found.best_QR), ("_nearest", found.nearest_QR)):
            figures += self._figures(("taxon_consistent", split, f"{pair}{suffix}"), answer_QR, truth_QR, tree)
        judged = Judged.of(found.path_QR, found.confidence_QR, truth_QR)
        chosen = None
        if keys.confidence is not None:
            path = ("taxon_consistent", split, f"{pair}_backoff")
            figures += self._backed_off(path, found, judged, keys.confidence, truth_QR, tree)
            cut = back_off(judged, keys.confidence)
            chosen = float(cut.depth_Q.double().mean()), float(cut.right_Q.double().mean())
        detail = TaxonConsistentDetail(split, pair, back_off_curve(judged), chosen, self.accuracy)
        return Result(flatten(figures), (detail,))

    def _figures(self, path: Path, answer_QR: Tensor, truth_QR: Tensor, tree: TaxonTree) -> Iterator[Figure]:
        yield from self._ranks(path, answer_QR, truth_QR, tree)
        yield self._share(path, "consistent", consistent(answer_QR, tree))
        far_Q = distance(answer_QR, truth_QR).double()
        yield Figure(*path, "distance", float(far_Q.mean()))
        if bool((far_Q > 0).any()):
            yield Figure(*path, "distance_wrong", float(far_Q[far_Q > 0].mean()))

    def _ranks(self, path: Path, answer_QR: Tensor, truth_QR: Tensor, tree: TaxonTree) -> Iterator[Figure]:
        for rank in self.ranks:
            place = RANKS.index(rank)
            labelled_Q = truth_QR[:, place] != UNKNOWN
            if bool(labelled_Q.any()):
                right_Q = answer_QR[labelled_Q, place] == truth_QR[labelled_Q, place]
                taxa = int((tree.rank_M == place).sum())
                # A taxon without a key is never hit by luck either.
                in_tree = float((truth_QR[labelled_Q, place] >= 0).double().mean())
                yield self._share(path, f"{rank}/top1", right_Q, chance=in_tree / taxa if taxa else None)

    def _backed_off(
        self, path: Path, found: TreeAnswers, judged: Judged, confidence: float, truth_QR: Tensor, tree: TaxonTree
    ) -> Iterator[Figure]:
        cut = back_off(judged, confidence)
        answer_QR = found.path_QR.masked_fill(found.confidence_QR < confidence, -1)
        yield self._share(path, "right", cut.right_Q)
        yield Figure(*path, "depth", float(cut.depth_Q.double().mean()))
        if math.isfinite(confidence):
            yield Figure(*path, "confidence", confidence)
        yield from self._ranks(path, answer_QR, truth_QR, tree)
        for rank in self.ranks:
            yield self._share(path, f"{rank}/answered", answer_QR[:, RANKS.index(rank)] >= 0)

    def _share(self, path: Path, metric: str, values_Q: Tensor, *, chance: float | None = None) -> Figure:
        values = values_Q.double().numpy()
        low, high = None, None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, metric, self.seed)
            low, high = bootstrap_interval(values, seed=seed, resamples=self.bootstrap)
        return Figure(*path, metric, float(values.mean()), low, high, len(values), chance)
