"""Two-stage strategies for seen and unseen species: an image among seen ones, else the DNA of unseen ones."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.key_query_figures import Measured, harmonic_figures
from clipbio.evaluation.metrics import bootstrap_interval, bootstrap_means, macro_mean, stratified_means
from clipbio.evaluation.pools import UNSEEN_OF, Side, seen_keys, side_of, unseen_keys
from clipbio.evaluation.rejection import keeping_threshold
from clipbio.evaluation.stages import Classifier, Stage, Staged, best_split_threshold, nearest_stage
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["TwoStage"]

logger = logging.getLogger(__name__)

STRATEGIES = ("nearest", "classifier")
KEPT = 0.95
VALIDATION = ("val", UNSEEN_OF["val"])


class TwoStage:
    """The two-stage strategies of CLIBD (https://arxiv.org/abs/2405.17537), which know that unseen species have DNA.

    Stage one places an image among the seen species: `nearest` by the nearest seen image keys, sure by their cosine;
    `classifier` by logistic regression on the embeddings of the seen image keys, sure by its probability (the
    publication fine-tunes the whole image encoder for it). A slot of the first five answers that is not above the
    threshold is replaced by the same slot of the nearest DNA keys of unseen species. The threshold is the best of 1,000
    values in [0, 1] by the harmonic mean of the accuracies on `val` and `val_unseen`; where there are no unseen
    validation queries it is the highest that keeps 95 % of the seen ones in stage one, with a warning.

    Keys of unseen species are `key_unseen`, or without one the other specimens of the unseen split itself. The
    strategies are told which keys are of unseen species, so they compare with each other more than with `key_query`.

    Figures under `two_stage/SPLIT/STRATEGY`: `RANK/micro@K`, `RANK/macro@K` and `kept` (the share of first answers that
    stage one gives), and under SEEN+UNSEEN their harmonic means, with `threshold` and `threshold_unseen`, the number of
    unseen validation queries it was chosen with.

    Args:
        strategies: nearest, classifier.
        rank: the rank whose taxa are seen or unseen.
        ks: how many slots may hold the true taxon.
        slots: the slots of both stages.
        strength: inverse of the L2 penalty of the classifier, on features of variance 1.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the classifier and of the intervals.
    """

    def __init__(
        self,
        strategies: Sequence[str] = STRATEGIES,
        rank: str = "species",
        ks: Sequence[int] = (1, 3, 5),
        *,
        slots: int = 5,
        strength: float = 1.0,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("two_stage", "strategies", strategies, STRATEGIES)
        check_choices("two_stage", "rank", [rank], RANKS)
        if not ks or min(ks) < 1 or max(ks) > slots:
            raise ClipbioError(f"benchmark two_stage: ks={list(ks)}; give whole numbers from 1 to slots={slots}")
        if strength <= 0:
            raise ClipbioError(f"benchmark two_stage: strength={strength}; give a number above 0")
        self.strategies = tuple(dict.fromkeys(strategies))
        self.rank = rank
        self.ks = tuple(ks)
        self.slots = slots
        self.strength = strength
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the keys, the validation splits of the threshold, and where unseen keys may come from."""
        partners = [UNSEEN_OF[split] for split in evaluated if split in UNSEEN_OF]
        wanted = (seen_keys(available), unseen_keys(available), *VALIDATION, *partners)
        return tuple(dict.fromkeys(split for split in wanted if split is not None and split in available))

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure both strategies on the evaluated pairs of seen and unseen splits; texts are not asked for."""
        del encode_text
        keys = self._labelled(data, seen_keys(data), "image")
        if keys is None:
            logger.warning("two_stage: no image keys with a %s in key or train", self.rank)
            return Result()
        result = Result()
        for strategy in self.strategies:
            if strategy == "classifier" and len(set(keys.key_N(self.rank).tolist())) < 2:
                logger.warning("two_stage: the seen keys have one %s alone, no classifier", self.rank)
                continue
            classifier = None
            if strategy == "classifier":
                classifier = Classifier(keys, self.rank, strength=self.strength, seed=self.seed)
            result += self._strategy(data, evaluated, strategy, keys, classifier)
        return result

    def _strategy(
        self,
        data: Mapping[str, SplitData],
        evaluated: Sequence[str],
        strategy: str,
        keys: Side,
        classifier: Classifier | None,
    ) -> Result:
        staged = {
            split: one
            for seen, unseen in UNSEEN_OF.items()
            for split in (seen, unseen)
            if (split in evaluated or split in VALIDATION)
            and (one := self._staged(data, split, unseen, keys, classifier)) is not None
        }
        if not staged or "val" not in staged:
            logger.warning("two_stage: no image queries in val or no DNA keys of unseen species, so nothing to measure")
            return Result()
        threshold = self._threshold(staged["val"], staged.get(VALIDATION[1]), strategy)
        figures: list[Figure] = []
        for seen, unseen in UNSEEN_OF.items():
            measured: dict[str, dict[tuple[str, str], Measured]] = {}
            for split in (seen, unseen):
                if split in evaluated and split in staged:
                    path = ("two_stage", split, strategy)
                    measured[split] = dict(self._measured(path, staged[split], threshold))
                    figures += [one.figure(path, metric) for (_, metric), one in measured[split].items()]
                    figures.append(self._kept(path, staged[split], threshold))
            if len(measured) == 2:
                figures += harmonic_figures(f"{seen}+{unseen}", measured[seen], measured[unseen], "two_stage")
                path = ("two_stage", f"{seen}+{unseen}", strategy)
                chosen_with = len(staged[VALIDATION[1]].true_Q) if VALIDATION[1] in staged else 0
                figures.append(Figure(*path, "threshold_unseen", chosen_with))
                figures += [Figure(*path, "threshold", threshold)] if math.isfinite(threshold) else []
        return Result(flatten(figures))

    def _labelled(self, data: Mapping[str, SplitData], split: str | None, kind: str) -> Side | None:
        found = side_of(data, [split], kind)
        labelled = None if found is None else found.only(found.key_N(self.rank) >= 0)
        return labelled if labelled is not None and len(labelled) else None

    def _staged(
        self, data: Mapping[str, SplitData], split: str, unseen: str, keys: Side, classifier: Classifier | None
    ) -> Staged | None:
        """Return both stages of a split, None without queries or without keys of unseen species."""
        query = self._labelled(data, split, "image")
        # Seen validation queries need no unseen species of their own to see what stage one is sure of.
        holders = (unseen_keys(data), unseen, *UNSEEN_OF.values())
        others = self._labelled(data, next((one for one in holders if one in data), None), "dna")
        if query is None or others is None:
            return None
        first: Stage
        if classifier is None:
            first = nearest_stage(query, keys, self.rank, k=self.slots)
        else:
            first = classifier.stage(query, k=self.slots)
        return Staged(first, nearest_stage(query, others, self.rank, k=self.slots), query.key_N(self.rank))

    def _threshold(self, seen: Staged, unseen: Staged | None, strategy: str) -> float:
        if unseen is not None:
            return best_split_threshold(seen, unseen)
        logger.warning(
            "two_stage: no unseen queries in validation; %s keeps %g %% of the seen ones", strategy, 100 * KEPT
        )
        # A slot is kept above the threshold, not at it.
        return float(np.nextafter(keeping_threshold(seen.first.score_Qk[:, 0].double().numpy(), kept=KEPT), -np.inf))

    def _measured(
        self, path: tuple[str, str, str], staged: Staged, threshold: float
    ) -> Iterator[tuple[tuple[str, str], Measured]]:
        place_Q = staged.place(threshold).numpy()
        class_Q = np.unique(staged.true_Q.numpy(), return_inverse=True)[1].astype(np.int64)
        for k in self.ks:
            correct_Q = place_Q < k
            micro, macro = (f"{self.rank}/{kind}@{k}" for kind in ("micro", "macro"))
            means = macro_means = None
            if self.bootstrap:
                seeds = [derive_seed("bootstrap", *path, name, self.seed) for name in (micro, macro)]
                means = bootstrap_means(correct_Q.astype(np.float64), seed=seeds[0], resamples=self.bootstrap)
                macro_means = stratified_means(correct_Q, class_Q, seed=seeds[1], resamples=self.bootstrap)
            yield (path[2], micro), Measured(float(correct_Q.mean()), len(correct_Q), None, means)
            classes = int(class_Q.max()) + 1
            yield (path[2], macro), Measured(macro_mean(correct_Q, class_Q), classes, None, macro_means)

    def _kept(self, path: tuple[str, str, str], staged: Staged, threshold: float) -> Figure:
        kept_Q = staged.kept(threshold)[:, 0].double().numpy()
        low, high = None, None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, "kept", self.seed)
            low, high = bootstrap_interval(kept_Q, seed=seed, resamples=self.bootstrap)
        return Figure(*path, "kept", float(kept_Q.mean()), low, high, len(kept_Q))
