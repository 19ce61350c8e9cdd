"""What the benchmarks of characters hand to the report."""

from __future__ import annotations

from dataclasses import dataclass

from clipbio.evaluation.calibration import Reliability
from clipbio.evaluation.figures import Figure

__all__ = ["DescribeDetail", "VerifyDetail"]


@dataclass(frozen=True)
class DescribeDetail:
    """Accuracies of the characters of a split and of their mean, and the calibration of all answers.

    `truth` says where the truth comes from; `before` is the calibration of cosines as they are.
    """

    split: str
    truth: str
    names: tuple[str, ...]
    figures: tuple[Figure, ...]
    before: Reliability
    after: Reliability


@dataclass(frozen=True)
class VerifyDetail:
    """The area under the ROC curve of each character of a split, and of all statements together."""

    split: str
    truth: str
    figures: tuple[Figure, ...]
