"""A section of the report with plots."""

from __future__ import annotations

from dataclasses import dataclass

from clipbio.evaluation.pictures import Picture

__all__ = ["Panel"]


@dataclass(frozen=True)
class Panel:
    """A heading, what to know to read the plots, and the plots with their captions; `wide` ones stand two in a row."""

    title: str
    note: str
    plots: list[tuple[str, Picture]]
    wide: bool = False
