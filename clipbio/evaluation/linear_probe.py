"""A linear probe of frozen vectors as a task: logistic regression fitted on one split and judged on others.

Shape suffixes: N specimens, M examples, V validation rows, Q queries, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.labelled import MODALITIES, Labelled, accuracy_figures
from clipbio.evaluation.metrics import bootstrap_interval, target_ranks
from clipbio.evaluation.probe import Probe, draw_shots, fit_probe
from clipbio.seeding import derive_seed

__all__ = ["LinearProbe"]

logger = logging.getLogger(__name__)

IntArray = NDArray[np.int64]

VALIDATION = "val"
TOP = 5
_SHARE = 5
# Share of the classes that a validation split must show to choose C for all of them.
_COVERED = 0.9
_AT_ONCE = 4096


class LinearProbe:
    """Multinomial logistic regression (scikit-learn's lbfgs) on the vectors of `examples`, judged on other splits.

    Figures under `linear_probe/SPLIT/{all,K_shot}`: `top1`, `top5` and `macro_top1`, `C` (the strength that was chosen)
    and `left_out`, specimens whose class has no example. Candidates are all classes with examples.

    C is chosen among 0.1 to 1000 (`probe.STRENGTHS`; vectors are centred and scaled to a mean squared length of 1) by
    the accuracy on the split `val`, if nine of ten classes are in it. Otherwise for `all` on a fifth of the individuals
    of `examples`, with which the final fit then is made too; for K shots on up to K further individuals of each class,
    which are not fitted. `val` itself is never fitted, and a figure on it is that of the split on which C was chosen.

    Args:
        shots: `all`, or numbers of examples of each class.
        examples: the split with the examples.
        modality: `image` or `dna`.
        splits: the splits to judge; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of draws and intervals.
    """

    def __init__(
        self,
        *,
        shots: Sequence[int | str] = ("all",),
        examples: str = "train",
        modality: Literal["image", "dna"] = "image",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("linear_probe", "modality", [modality], MODALITIES)
        self.shots = tuple(dict.fromkeys(shots))
        if not self.shots or not all(one == "all" or (type(one) is int and one > 0) for one in self.shots):
            raise ClipbioError(f"benchmark linear_probe: shots={list(shots)} must be 'all' or numbers from 1 up")
        self.examples = examples
        self.modality = modality
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Ask for the examples and for what chooses C."""
        judged = [split for split in evaluated if split != self.examples]
        return tuple(split for split in (self.examples, VALIDATION) if judged and split in available)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Fit a probe for each number of shots and judge every split with it."""
        del encode_text
        judged = [split for split in evaluated if split != self.examples]
        if not judged or self.examples not in data:
            logger.warning("benchmark linear_probe: it needs a split %s and another one to judge", self.examples)
            return Result()
        pool = Labelled.of(data[self.examples], self.modality, "linear_probe")
        if len(np.unique(pool.key_N)) < 2:
            raise ClipbioError(
                f"benchmark linear_probe: split '{self.examples}' has no two classes to tell apart; "
                "take examples= of another split"
            )
        queries = {split: Labelled.of(data[split], self.modality, "linear_probe") for split in judged}
        validation = self._validation(data, pool)
        result = Result()
        for shots in self.shots:
            probe = self._fit(pool, validation, shots)
            for split, asked in queries.items():
                variant = "all" if shots == "all" else f"{shots}_shot"
                result += self._judge(("linear_probe", split, variant), probe, asked)
        return result

    def _validation(self, data: Mapping[str, SplitData], pool: Labelled) -> Labelled | None:
        if VALIDATION not in data or self.examples == VALIDATION:
            return None
        found = Labelled.of(data[VALIDATION], self.modality, "linear_probe")
        found = found.take(np.isin(found.key_N, pool.key_N))
        enough = len(np.unique(found.key_N)) >= _COVERED * len(np.unique(pool.key_N))
        return found if enough else None

    def _fit(self, pool: Labelled, validation: Labelled | None, shots: int | str) -> Probe:
        if shots == "all":
            chooses_N = _fifth(pool, self.seed) if validation is None else np.zeros(len(pool), bool)
            fit_M, other_V = np.flatnonzero(~chooses_N), np.flatnonzero(chooses_N)
        else:
            drawn = draw_shots(pool.key_N, [str(one) for one in pool.group_N], shots=int(shots), seed=self.seed)
            fit_M, other_V = drawn.fit_M, drawn.validation_M
        vectors_ND = pool.vectors_ND.numpy()
        choosing, key_V = (vectors_ND[other_V], pool.key_N[other_V])
        if validation is not None:
            choosing, key_V = validation.vectors_ND.numpy(), validation.key_N
        probe = fit_probe(vectors_ND[fit_M], pool.key_N[fit_M], choosing, key_V, seed=self.seed)
        return probe.again(vectors_ND, pool.key_N) if shots == "all" and validation is None else probe

    def _judge(self, path: tuple[str, str, str], probe: Probe, asked: Labelled) -> Result:
        known = asked.take(np.isin(asked.key_N, probe.classes))
        figures = [Figure(*path, "C", probe.strength), Figure(*path, "left_out", len(asked) - len(known))]
        if not len(known):
            logger.warning("benchmark linear_probe: no class of %s is among the examples", path[1])
            return Result(flatten([*figures, Figure(*path, "top1", n=0)]))
        rank_Q = _ranks(probe, known)
        answers = Answers(*path, "top1", known.ids, (rank_Q == 0).astype(np.float64), known.name_N)
        return Result(flatten([*self._figures(path, rank_Q, known, len(probe.classes)), *figures]), answers=(answers,))

    def _figures(self, path: tuple[str, str, str], rank_Q: IntArray, known: Labelled, classes: int) -> Iterator[Figure]:
        yield from accuracy_figures(
            path, rank_Q == 0, known.key_N, chance=1 / classes, bootstrap=self.bootstrap, seed=self.seed
        )
        among_Q, interval = (rank_Q < TOP).astype(np.float64), None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, "top5", self.seed)
            interval = bootstrap_interval(among_Q, seed=seed, resamples=self.bootstrap)
        value, chance = float(among_Q.mean()), min(TOP, classes) / classes
        yield Figure.measured(path, "top5", value=value, interval=interval, n=len(rank_Q), chance=chance)


def _ranks(probe: Probe, known: Labelled) -> IntArray:
    """Return the rank of the class of each query, 0 for best, some thousand queries at a time."""
    target_Q = torch.from_numpy(np.searchsorted(probe.classes, known.key_N))
    parts = []
    for start in range(0, len(known), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        scores_qC = torch.from_numpy(np.ascontiguousarray(probe.scores(known.vectors_ND[some].numpy())))
        parts.append(target_ranks(scores_qC, target_Q[some]))
    ranks: IntArray = torch.cat(parts).numpy()
    return ranks


def _fifth(pool: Labelled, seed: int) -> NDArray[np.bool_]:
    """Tell which individuals choose C: a fifth by their hashes, but never all that a class has."""
    chooses_N = np.array([derive_seed("probe fifth", seed, int(one)) % _SHARE == 0 for one in pool.group_N], bool)
    return chooses_N & np.isin(pool.key_N, pool.key_N[~chooses_N])
