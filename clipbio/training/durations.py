"""Durations in steps, epochs, samples or percent, converted to steps once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from clipbio.errors import ClipbioError

__all__ = ["Duration", "RunLength"]

_FORM = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>steps?|epochs?|samples?|percent|%)\s*")


@dataclass(frozen=True, slots=True)
class RunLength:
    """What durations are measured against: samples of one optimiser step, such steps in an epoch and in the run."""

    batch_size: int
    batches_per_epoch: float
    total_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """A number with a unit: `500 steps`, `20 epochs`, `1000000 samples` or `5 percent` (of the run)."""

    number: float
    unit: str

    @classmethod
    def parse(cls, text: str | int, key: str) -> Duration:
        """Read a duration; `key` names the setting in the error."""
        match = _FORM.fullmatch(str(text))
        if match is None:
            raise ClipbioError(
                f"{key}='{text}' is no duration: write a number and a unit, such as '500 steps', '20 epochs', "
                "'1000000 samples' or '5 percent'"
            )
        unit = match["unit"].rstrip("s")
        return cls(float(match["number"]), "percent" if unit == "%" else unit)

    def steps(self, length: RunLength) -> int:
        """Return the number of optimiser steps, rounded up."""
        if self.unit == "step":
            steps = self.number
        elif self.unit == "epoch":
            steps = self.number * length.batches_per_epoch
        elif self.unit == "sample":
            steps = self.number / length.batch_size
        elif length.total_steps is None:
            raise ClipbioError("the length of a run cannot be given in percent of itself: use steps, epochs or samples")
        else:
            steps = self.number / 100 * length.total_steps
        # The small term keeps 5 % of 60 from becoming 4 through rounding of binary fractions.
        return math.ceil(steps - 1e-9)
