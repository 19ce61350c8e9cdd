"""What is said of a species or a specimen: states of characters, out of descriptions or columns of its record."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from clipbio.errors import ClipbioError
from clipbio.evaluation.annotated import note
from clipbio.taxonomy import Taxon
from clipbio.text import Named
from clipbio.text.trait_text import traits_of
from clipbio.traits import MEASURED
from clipbio.virtual.characters import CHARACTERS, MEASURES
from clipbio.virtual.triples import trait_character, triples

__all__ = ["Columns", "Saying", "Statement", "described", "recorded"]

Columns = Mapping[str, str] | str
"""Columns of metadata and the character that each tells; `virtual`: those of the virtual herbarium."""

_MILLIMETRES = {"cm": 10.0, "mm": 1.0}


class Saying(Protocol):
    """What `clipbio.traits.Trait` and `clipbio.virtual.triples.Triple` have in common."""

    @builtins.property
    def character(self) -> str:
        """Name the character."""

    @builtins.property
    def property(self) -> str:
        """Name its property."""

    @builtins.property
    def value(self) -> str:
        """Return its state."""

    @builtins.property
    def low(self) -> float | None:
        """Return the smallest number of a count or measure."""

    @builtins.property
    def high(self) -> float | None:
        """Return the largest one."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A character has a state; of a measure `number` is the middle of its range in millimetres."""

    character: str
    state: str
    number: float | None = None

    @classmethod
    def of(cls, saying: Saying) -> Statement:
        """Return what a trait or a triple states."""
        if saying.property not in MEASURED:
            return cls(saying.character, saying.value)
        ends = [end for end in (saying.low, saying.high) if end is not None]
        return cls(saying.character, saying.value, sum(ends) / len(ends) if ends else None)


def described(taxon: Taxon, texts: Iterable[str]) -> tuple[Statement, ...]:
    """Return what descriptions of a species state, each statement once; what they deny is left out."""
    return tuple(dict.fromkeys(Statement.of(one) for one in traits_of(taxon, tuple(texts)) if not one.negated))


def recorded(named: Named, columns: Columns) -> tuple[Statement, ...]:
    """Return what the metadata of a record state.

    Args:
        named: The record.
        columns: The character that each column tells, by the name of the column; a cell holds a state, or a list of
            them. `virtual` knows the columns of the virtual herbarium, whose truth is exact.

    Raises:
        ClipbioError: The columns are neither.
    """
    if columns == "virtual":
        return tuple(_virtual(named))
    if isinstance(columns, str):
        raise ClipbioError(f"columns={columns}: give virtual, or a mapping such as {{leaf_form: leaf shape}}")
    return tuple(
        Statement(character, state) for column, character in columns.items() for state in _cell(note(named, column))
    )


def _cell(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [text for one in values if one is not None and (text := _state(one))]


def _state(value: Any) -> str:
    """Return a cell as a state: 5 for the 5.0 that a column of numbers with gaps has, nothing for its gaps."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:g}"
    return str(value).strip()


def _virtual(named: Named) -> Iterable[Statement]:
    for character in CHARACTERS:
        state = note(named, character.name)
        if state is not None:
            yield from map(Statement.of, triples(character.name, str(state)))
    for measure in MEASURES:
        size = note(named, measure.name)
        if size is not None:
            number = float(size) * _MILLIMETRES[measure.name.rsplit("_", 1)[1]]
            yield Statement(trait_character(measure.name), f"{number:g} mm", number)
