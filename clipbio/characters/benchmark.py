"""What the benchmarks of characters have in common: characters of train, a describer calibrated on validation."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import add

from clipbio.characters.describer import Describer
from clipbio.characters.known import Known, known_images, known_species
from clipbio.characters.making import make_describer
from clipbio.characters.statements import Columns
from clipbio.characters.table import CharacterTable
from clipbio.errors import ClipbioError
from clipbio.evaluation.annotated import learnt_from
from clipbio.evaluation.benchmark import EncodeText
from clipbio.evaluation.embeddings import SplitData

__all__ = ["CALIBRATION", "CharacterBenchmark"]

logger = logging.getLogger(__name__)

CALIBRATION = ("val", "val_unseen")


class CharacterBenchmark:
    """A benchmark of characters that the split `train` has, calibrated on validation and judged on other splits.

    Args:
        name: Name of the task.
        columns: Columns of metadata that tell characters: a mapping of columns to characters, or `virtual` for the
            virtual herbarium; None takes characters out of the descriptions.
        min_species: A state that fewer train species have is left out.
        bins: States into which a measure is parted; 0 leaves measures out.
        accuracy: The share of right answers that thresholds are chosen for on validation.
        train: The split whose species tell the characters.
        splits: The splits to judge; None is all that are evaluated, but for those that calibrate.
        bootstrap: Resamples of the intervals, 0 for none.
        seed: Seed of folds, planted statements and intervals.
    """

    def __init__(
        self,
        name: str,
        *,
        columns: Columns | None,
        min_species: int,
        bins: int,
        accuracy: float,
        train: str,
        splits: Sequence[str] | None,
        bootstrap: int,
        seed: int,
    ) -> None:
        if min_species < 1 or bins < 0:
            raise ClipbioError(
                f"benchmark {name}: min_species={min_species} must be 1 or more, bins={bins} 0 (no measures) or more"
            )
        if not 0 < accuracy < 1:
            raise ClipbioError(f"benchmark {name}: accuracy={accuracy}; give a share between 0 and 1")
        self.name = name
        self.columns = columns
        self.min_species, self.bins, self.accuracy = min_species, bins, accuracy
        self.train = train
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    @property
    def truth(self) -> str:
        """Say where the truth comes from."""
        return "their descriptions" if self.columns is None else "their records"

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the split that tells the characters, and those that calibrate them."""
        return tuple(split for split in (self.train, *CALIBRATION) if evaluated and split in available)

    def judged(self, evaluated: Sequence[str]) -> list[str]:
        """Return the splits to judge: neither the one that tells the characters nor those that calibrate them."""
        judged = [split for split in evaluated if split not in (self.train, *CALIBRATION)]
        if evaluated and not judged:
            logger.warning("%s: %s is fitted on, and nothing else is evaluated", self.name, " and ".join(evaluated))
        return judged

    def table(self, data: Mapping[str, SplitData]) -> CharacterTable:
        """Return the characters of the train species."""
        train = learnt_from(data, self.train, self.name)
        records = train.specimens.named if self.columns is not None and train.specimens is not None else train.classes
        species = known_species(records, self.columns)
        table = CharacterTable.build(species, min_species=self.min_species, bins=self.bins)
        counts = (len(table), len(species), len(table.left_out))
        logger.info("%s: %d characters of %d species, %d left out", self.name, *counts)
        return table

    def describer(self, data: Mapping[str, SplitData], table: CharacterTable, encode_text: EncodeText) -> Describer:
        """Return a describer that is calibrated on the validation splits.

        Raises:
            ClipbioError: There are none.
        """
        images = [self.images(data[split], table) for split in CALIBRATION if split in data and len(data[split].images)]
        if not images:
            raise ClipbioError(f"benchmark {self.name}: it needs a split {' or '.join(CALIBRATION)} to calibrate on")
        return make_describer(table, reduce(add, images), encode_text, accuracy=self.accuracy, seed=self.seed)

    def images(self, data: SplitData, table: CharacterTable) -> Known:
        """Return the images of a split with what is true of them."""
        return known_images(data, table, self.columns)
