"""Verify as a benchmark: whether the images of a species tell true statements about it from false ones.

Shape suffixes: N statements, S states.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.auroc import auroc, auroc_interval
from clipbio.characters.benchmark import CharacterBenchmark
from clipbio.characters.calibration import FloatArray
from clipbio.characters.choosing import told_of_species
from clipbio.characters.describer import Describer
from clipbio.characters.known import Known
from clipbio.characters.planted import PlantedStatement, plant
from clipbio.characters.statements import Columns
from clipbio.characters.table import CharacterTable, slug
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.characters_detail import VerifyDetail
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.seeding import derive_seed

__all__ = ["Verify", "Weighed", "weighed"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Weighed:
    """Statements with their evidence, and how frequent their states are among the train species."""

    character_N: NDArray[np.int64]
    species_N: NDArray[np.int64]
    true_N: NDArray[np.bool_]
    score_N: FloatArray
    prior_N: FloatArray
    visible_N: NDArray[np.bool_]

    def take(self, mask_N: NDArray[np.bool_]) -> Weighed:
        """Return some of the statements."""
        return Weighed(*(getattr(self, name)[mask_N] for name in Weighed.__dataclass_fields__))


class Verify(CharacterBenchmark):
    """Tell true statements about a species from planted false ones, by the images of the species.

    A false statement is a state that another species has and this one has not. Two species swap them, so each state is
    as often true as false, and how frequent it is tells nothing: `prior_auroc` shows it. States that too many species
    have to be swapped are left out.

    Figures under `verify/SPLIT/CHARACTER`, and under `verify/SPLIT/all` for all statements: `auroc` of the evidence,
    with the 95 % interval over redrawn species, and `prior_auroc`. Under `all` also `supported` and `contradicted`, the
    shares of the statements with that verdict, and `supported_right` and `contradicted_right`, how many of these are
    right; `statements` counts them. Under `mean` the mean over characters.

    Args:
        columns: columns of metadata that tell characters, or `virtual`; None takes them out of the descriptions.
        min_species: a state that fewer train species have is left out; a character with statements about fewer judged
            species has no figure of its own.
        bins: states into which a measure is parted; 0 leaves measures out.
        accuracy: the share of right verdicts that thresholds are chosen for on validation.
        rounds: how often each state is swapped, each time with another species.
        train: the split whose species tell the characters.
        splits: the splits to judge; None is all that are evaluated, but for those that calibrate.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of folds, swaps and intervals.
    """

    def __init__(
        self,
        *,
        columns: Columns | None = None,
        min_species: int = 5,
        bins: int = 0,
        accuracy: float = 0.8,
        rounds: int = 5,
        train: str = "train",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(
            "verify",
            columns=columns,
            min_species=min_species,
            bins=bins,
            accuracy=accuracy,
            train=train,
            splits=splits,
            bootstrap=bootstrap,
            seed=seed,
        )
        self.rounds = rounds

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Judge the evaluated splits."""
        judged = self.judged(evaluated)
        if not judged:
            return Result()
        table = self.table(data)
        describer = self.describer(data, table, encode_text)
        result = Result()
        for split in judged:
            images = self.images(data[split], table)
            planted = plant(told_of_species(images), table, seed=self.seed, rounds=self.rounds)
            if not planted:
                logger.warning("verify: no states of the species of split %s can be swapped", split)
                continue
            result += self._judge(split, weighed(planted, images, describer), describer, table)
        return result

    def _judge(self, split: str, found: Weighed, describer: Describer, table: CharacterTable) -> Result:
        own: list[Figure] = []
        priors: list[Figure] = []
        for place, character in enumerate(table.characters):
            some = found.take(found.character_N == place)
            if len(np.unique(some.species_N)) >= self.min_species:
                figures = self._areas(("verify", split, slug(character.name)), some)
                own.append(figures[0])
                priors.append(figures[1])
        path = ("verify", split, "all")
        total = self._areas(path, found)
        means = [
            Figure.measured(
                ("verify", split, "mean"),
                metric,
                value=float(np.mean([one.value for one in figures])),
                interval=None,
                n=len(figures),
                chance=0.5,
            )
            for metric, figures in (("auroc", own), ("prior_auroc", priors))
            if figures
        ]
        detail = VerifyDetail(split, self.truth, (*own, total[0]))
        verdicts = list(_verdicts(path, found, describer))
        return Result(flatten([*own, *priors, *total, *means, *verdicts]), (detail,))

    def _areas(self, path: tuple[str, str, str], found: Weighed) -> tuple[Figure, Figure]:
        figures = []
        for metric, score_N in (("auroc", found.score_N), ("prior_auroc", found.prior_N)):
            seed = derive_seed("bootstrap", *path, metric, self.seed)
            interval = auroc_interval(score_N, found.true_N, found.species_N, seed=seed, resamples=self.bootstrap)
            figures.append(
                Figure.measured(
                    path,
                    metric,
                    value=auroc(score_N, found.true_N) or 0.0,
                    interval=interval,
                    n=len(score_N),
                    chance=0.5,
                    species_interval=interval,
                )
            )
        return figures[0], figures[1]


def weighed(planted: Sequence[PlantedStatement], images: Known, describer: Describer) -> Weighed:
    """Return the evidence of the images of each species for statements about it."""
    places = {one.character.name: place for place, one in enumerate(describer.characters)}
    species = sorted({one.species for one in planted})
    rows = {one: np.flatnonzero(images.species_N == one) for one in species}
    mean = {
        name: {of: scored.evidence(images.image_ND[row_N]).mean(axis=0) for of, row_N in rows.items()}
        for name, scored in describer.by_name.items()
    }
    scored_N = [describer.characters[places[one.character]] for one in planted]
    state_N = [scored.character.states.index(one.state) for scored, one in zip(scored_N, planted, strict=True)]
    return Weighed(
        np.array([places[one.character] for one in planted], np.int64),
        np.array([one.species for one in planted], np.int64),
        np.array([one.true for one in planted], bool),
        np.array([mean[one.character][one.species][state] for one, state in zip(planted, state_N, strict=True)]),
        np.array([scored.prior_S[state] for scored, state in zip(scored_N, state_N, strict=True)]),
        np.array([scored.visible for scored in scored_N], bool),
    )


def _verdicts(path: tuple[str, str, str], found: Weighed, describer: Describer) -> Iterator[Figure]:
    """Yield how many statements are judged, and how many of the verdicts are right."""
    n = len(found.true_N)
    limits = describer.thresholds
    chosen = {
        "supported": (found.visible_N & (found.score_N >= limits.supported), found.true_N),
        "contradicted": (found.visible_N & (found.score_N <= limits.contradicted), ~found.true_N),
    }
    for name, (there_N, right_N) in chosen.items():
        yield Figure.measured(path, name, value=float(there_N.mean()), interval=None, n=n)
        if there_N.any():
            value, told = float(right_N[there_N].mean()), int(there_N.sum())
            yield Figure.measured(path, f"{name}_right", value=value, interval=None, n=told, chance=0.5)
    yield Figure(*path, "statements", n)
