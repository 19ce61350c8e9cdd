"""One statement of a description: an organ has a property of some value."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Literal

__all__ = ["MEASURED", "PROPERTIES", "Group", "Side", "Trait"]

Group = Literal["plants", "insects", "birds"]
"""What kind of organism a vocabulary is for."""
Side = Literal["", "above", "below"]
"""Which face of an organ is meant."""

MEASURED = ("length", "width", "height", "thickness", "diameter", "wingspan")
"""Properties whose values are millimetres."""
PROPERTIES = (
    *("colour", "pattern", "shape", "margin", "surface", "arrangement", "structure", "venation", "form", "type"),
    *("count", "size", *MEASURED),
)
"""What can be said of an organ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """An organ, a property and a value, with the words that say so.

    Args:
        organ: canonical, singular: `leaf`, `forewing`, `bill`; empty is the whole organism.
        part: a region of the organ or a marking on it, canonical: `margin`, `tip`, `spot`, `band`; empty is the organ.
        property: one of `PROPERTIES`.
        value: canonical: `ovate`, `black`, `5`, `4-6`, `22-28 mm`.
        low: the usual smallest number of a count, or of a measure in millimetres.
        high: the usual largest one; None where only the other is told (`to 11 cm`, `at least 5`).
        minimum: the extreme in brackets before a range, `(12-)23-34`.
        maximum: the extreme in brackets behind it.
        unit: `mm` for measures, else empty.
        shade: how light a colour is: `dark`, `pale`, `bright`, else empty.
        sex: `male`, `female`, else empty.
        stage: `juvenile`, `breeding`, `nonbreeding`, else empty.
        side: of wings and bodies.
        negated: the text says that it is not so.
        phrase: the words of the value as they stand in the text.
        start: where they begin in the text, in characters.
        end: where they end.
        organ_start: where the word that names organ or part begins; -1 where the text leaves it out.
        organ_end: where it ends.
    """

    organ: str
    property: str
    value: str
    phrase: str
    start: int
    end: int
    part: str = ""
    low: float | None = None
    high: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    shade: str = ""
    sex: str = ""
    stage: str = ""
    side: Side = ""
    negated: bool = False
    organ_start: int = -1
    organ_end: int = -1

    @builtins.property
    def character(self) -> str:
        """Name what the value is of: `leaf shape`, `forewing spot colour`, `wingspan`."""
        return " ".join(filter(None, (self.organ, self.part, self.property)))
