"""Describe as a benchmark: which states of characters the images of a split show.

Shape suffixes: N images, M images of species that have a character, C species, L characters, S states.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.benchmark import CharacterBenchmark
from clipbio.characters.calibration import FloatArray, log_softmax
from clipbio.characters.describer import Describer, Scored
from clipbio.characters.known import Known
from clipbio.characters.probe import StateProbe
from clipbio.characters.statements import Columns
from clipbio.characters.table import slug
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.calibration import reliability
from clipbio.evaluation.characters_detail import DescribeDetail
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import percentiles
from clipbio.evaluation.paired import accuracy
from clipbio.seeding import derive_seed

__all__ = ["Describe", "Judged"]

logger = logging.getLogger(__name__)

_ZERO_SHOT_SCALE = 100.0


@dataclass(frozen=True)
class Judged:
    """Answers about one character: M images of species that have it.

    `confidence_M` is that of the most probable state, `raw_M` that of an uncalibrated softmax of 100 times the cosines,
    with `raw_right_M`; `known_M` says whether the species has one of the states at all, `probed_M` whether the linear
    probe is right.
    """

    name: str
    row_M: NDArray[np.int64]
    right_M: FloatArray
    confidence_M: FloatArray
    raw_right_M: FloatArray
    raw_M: FloatArray
    majority_M: FloatArray
    answered_M: NDArray[np.bool_]
    known_M: NDArray[np.bool_]
    probed_M: FloatArray | None


class Describe(CharacterBenchmark):
    """Predict the characters of images from the captions of their states.

    Characters and states are those of the train species; temperatures, biases and thresholds are fitted on `val` and
    `val_unseen`. A prediction is right if the species has the state, or one of its states: descriptions often tell
    several. Only species of which the character is told count.

    Figures under `describe/SPLIT/CHARACTER`: `accuracy` over images, with the 95 % interval over redrawn species and
    the accuracy of the most frequent state of the train species as `chance`; `over_majority`, the difference of both;
    `probe_accuracy` of a linear probe on the train images, a ceiling that needs pictures of every state; `answered`,
    the share of images of which the describer is sure enough, and `answered_accuracy` of these; `known`, the share of
    images whose species has any of the states: others cannot be answered right; `ece` and, for cosines as they are,
    `ece_before`. Under `describe/SPLIT/mean` the means over characters, and the calibration of all
    answers together.

    Args:
        columns: columns of metadata that tell characters, or `virtual`; None takes them out of the descriptions.
        min_species: a state that fewer train species have is left out, and so is a character that is told of fewer
            species of the judged split.
        bins: states into which a measure is parted; 0 leaves measures out.
        accuracy: the share of right answers that the threshold is chosen for on validation.
        probe: whether a linear probe is fitted beside.
        train: the split whose species tell the characters.
        splits: the splits to judge; None is all that are evaluated, but for those that calibrate.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of folds and intervals.
    """

    def __init__(
        self,
        *,
        columns: Columns | None = None,
        min_species: int = 5,
        bins: int = 0,
        accuracy: float = 0.8,
        probe: bool = True,
        train: str = "train",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(
            "describe",
            columns=columns,
            min_species=min_species,
            bins=bins,
            accuracy=accuracy,
            train=train,
            splits=splits,
            bootstrap=bootstrap,
            seed=seed,
        )
        self.probe = probe

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Judge the evaluated splits."""
        judged = self.judged(evaluated)
        if not judged:
            return Result()
        table = self.table(data)
        describer = self.describer(data, table, encode_text)
        probes: dict[str, StateProbe] = {}
        if self.probe:
            train = self.images(data[self.train], table)
            probes = {one.name: StateProbe.fit(one, train, seed=self.seed) for one in table.characters}
        result = Result()
        for split in judged:
            result += self._judge(split, self.images(data[split], table), describer, probes)
        return result

    def _judge(self, split: str, images: Known, describer: Describer, probes: Mapping[str, StateProbe]) -> Result:
        every = [judge(one, images, describer, probes.get(one.character.name)) for one in describer.characters]
        found = [one for one in every if len(np.unique(images.species_N[one.row_M])) >= self.min_species]
        if not found:
            logger.warning("describe: no character is told of %d species of split %s", self.min_species, split)
            return Result()
        figures = [figure for one in found for figure in self._figures(split, one, images)]
        mean = self._mean(split, found, images)
        answers = tuple(
            Answers(
                "describe",
                split,
                slug(one.name),
                "accuracy",
                tuple(images.ids[row] for row in one.row_M),
                one.right_M,
                tuple(images.names[images.species_N[row]] for row in one.row_M),
            )
            for one in found
        )
        detail = DescribeDetail(
            split,
            self.truth,
            tuple(one.name for one in found),
            tuple(figure for figure in (*figures, *mean) if figure.metric in ("accuracy", "probe_accuracy")),
            reliability(*_joined(found, "raw_M", "raw_right_M")),
            reliability(*_joined(found, "confidence_M", "right_M")),
        )
        return Result(flatten([*figures, *mean]), (detail,), answers)

    def _figures(self, split: str, one: Judged, images: Known) -> list[Figure]:
        path, species_M = ("describe", split, slug(one.name)), images.species_N[one.row_M]
        chance = float(one.majority_M.mean())
        columns: list[tuple[str, FloatArray, float | None]] = [("accuracy", one.right_M, chance)]
        columns.append(("over_majority", one.right_M - one.majority_M, 0.0))
        if one.probed_M is not None:
            columns.append(("probe_accuracy", one.probed_M, chance))
        found = []
        for metric, value_M, luck in columns:
            seed = derive_seed("bootstrap", *path, metric, self.seed)
            estimate = accuracy(value_M, unit_N=species_M, seed=seed, resamples=self.bootstrap)
            interval = estimate.interval if len(np.unique(species_M)) > 1 else None
            found.append(
                Figure.measured(
                    path,
                    metric,
                    value=estimate.value,
                    interval=interval,
                    n=estimate.n,
                    chance=luck,
                    species_interval=interval,
                )
            )
        known = Figure.measured(path, "known", value=float(one.known_M.mean()), interval=None, n=len(one.known_M))
        return [*found, known, *_calibration_figures(path, [one])]

    def _mean(self, split: str, found: Sequence[Judged], images: Known) -> list[Figure]:
        path = ("describe", split, "mean")
        columns = {
            "accuracy": ([one.right_M for one in found], float(np.mean([one.majority_M.mean() for one in found]))),
            "over_majority": ([one.right_M - one.majority_M for one in found], 0.0),
        }
        probed = [one.probed_M for one in found if one.probed_M is not None]
        if len(probed) == len(found):
            columns["probe_accuracy"] = (probed, columns["accuracy"][1])
        figures = []
        for metric, (values, chance) in columns.items():
            interval = None
            if self.bootstrap:
                species = [images.species_N[one.row_M] for one in found]
                seed = derive_seed("bootstrap", *path, metric, self.seed)
                interval = percentiles(macro_resamples(values, species, seed=seed, resamples=self.bootstrap))
            value = float(np.mean([one.mean() for one in values]))
            figures.append(
                Figure.measured(
                    path,
                    metric,
                    value=value,
                    interval=interval,
                    n=len(found),
                    chance=chance,
                    species_interval=interval,
                )
            )
        return [*figures, *_calibration_figures(path, found)]


def judge(scored: Scored, images: Known, describer: Describer, probe: StateProbe | None) -> Judged:
    """Judge the answers about one character."""
    name, states = scored.character.name, scored.character.states
    row_M = np.array([row for row, told in enumerate(images.told_N) if told.get(name)], np.int64)
    truth_MS = np.array([[state in images.told_N[row][name] for state in states] for row in row_M], bool)
    truth_MS = truth_MS.reshape(len(row_M), len(states))
    image_MD = images.image_ND[row_M]
    log_MS = scored.log_probabilities(image_MD)
    raw_MS = log_softmax(_ZERO_SHOT_SCALE * (image_MD @ scored.vectors_SD.T).astype(np.float64))
    confidence_M = np.exp(log_MS.max(axis=1))
    return Judged(
        name,
        row_M,
        _right(truth_MS, log_MS.argmax(axis=1)),
        confidence_M,
        _right(truth_MS, raw_MS.argmax(axis=1)),
        np.exp(raw_MS.max(axis=1)),
        _right(truth_MS, np.full(len(row_M), int(np.argmax(scored.character.species)))),
        np.asarray((confidence_M >= describer.thresholds.answer) & scored.visible, bool),
        np.asarray(truth_MS.any(axis=1), bool),
        None if probe is None else _right(truth_MS, probe.predict(image_MD)),
    )


def macro_resamples(
    values: Sequence[FloatArray], species: Sequence[NDArray[np.int64]], *, seed: int, resamples: int
) -> FloatArray:
    """Return the mean over characters of the means over images, of resamples of species that are common to all."""
    number = int(max(one.max() for one in species)) + 1
    pairs = zip(values, species, strict=True)
    sum_CL = np.stack([np.bincount(of, weights=one, minlength=number) for one, of in pairs], 1)
    count_CL = np.stack([np.bincount(of, minlength=number) for of in species], 1)
    there_C = count_CL.any(axis=1)
    total = int(there_C.sum())
    drawn_RC = np.random.default_rng(seed).multinomial(total, np.full(total, 1 / total), size=resamples)
    count_RL = drawn_RC @ count_CL[there_C]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_R: FloatArray = np.nanmean((drawn_RC @ sum_CL[there_C]) / count_RL, axis=1)
    return mean_R


def _right(truth_MS: NDArray[np.bool_], place_M: NDArray[Any]) -> FloatArray:
    right_M: FloatArray = np.take_along_axis(truth_MS, place_M[:, None], axis=1)[:, 0].astype(np.float64)
    return right_M


def _joined(found: Sequence[Judged], *names: str) -> list[FloatArray]:
    return [np.concatenate([getattr(one, name) for one in found]) for name in names]


def _calibration_figures(path: tuple[str, str, str], found: Sequence[Judged]) -> list[Figure]:
    confidence_N, right_N = _joined(found, "confidence_M", "right_M")
    raw_N, raw_right_N = _joined(found, "raw_M", "raw_right_M")
    answered_N = np.concatenate([one.answered_M for one in found])
    n = len(right_N)
    figures = [
        Figure.measured(path, "ece", value=reliability(confidence_N, right_N).error, interval=None, n=n),
        Figure.measured(path, "ece_before", value=reliability(raw_N, raw_right_N).error, interval=None, n=n),
        Figure.measured(path, "answered", value=float(answered_N.mean()), interval=None, n=n),
    ]
    if answered_N.any():
        value, told = float(right_N[answered_N].mean()), int(answered_N.sum())
        figures.append(Figure.measured(path, "answered_accuracy", value=value, interval=None, n=told))
    return figures
