"""Measures and counts of a text as the scanner takes them in: by where they begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipbio.traits.measures import Count, Dimension, find_counts, find_measures

__all__ = ["Number", "numbers_of", "span"]


@dataclass(frozen=True, slots=True)
class Number:
    """A measure or a count.

    Args:
        kind: which of both.
        start: where the number begins.
        end: where it ends, units included.
        reach_end: up to where the words reach that belong to it (`long`, `across`).
        dimensions: of a measure.
        count: of a count.
        sex: where it stands right beside.
    """

    kind: Literal["measure", "count"]
    start: int
    end: int
    reach_end: int
    dimensions: tuple[Dimension, ...] = ()
    count: Count | None = None
    sex: str = ""

    @property
    def of(self) -> str:
        """The word tied to a count: the lobed of `5-lobed`."""
        return self.count.of if self.count else ""


def numbers_of(text: str, language: str) -> dict[int, Number]:
    """Return the numbers of a text by where they begin, words before them such as `wingspan` included."""
    found: dict[int, Number] = {}
    for count in find_counts(text, language):
        if not count.word:
            found[count.start] = Number("count", count.start, count.end, count.end, count=count)
    for measure in find_measures(text, language):
        start, end = measure.reach
        number = Number("measure", measure.start, measure.end, end, measure.dimensions, sex=measure.sex)
        found[start] = number
    return found


def span(low: float | None, high: float | None) -> str:
    """Write a range as a value: `4-6`, `5`, `up to 11`, `at least 3`."""
    if low is None or high is None:
        return f"up to {high:g}" if high is not None else f"at least {low:g}" if low is not None else ""
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"
