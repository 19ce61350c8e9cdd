"""Facets of traits as the page shows them: organ by organ, each with its characters and their states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clipbio.search.traits import TRAIT, TraitFacet
from clipbio.serving.question import Question

__all__ = ["CharacterView", "OrganView", "StateView", "organ_views"]

# More states of a character are found by the words of the question.
_STATES = 40


@dataclass(frozen=True)
class StateView:
    """A state, and the value of the filter that asks for it."""

    name: str
    count: int
    chosen: bool
    condition: str


@dataclass(frozen=True)
class CharacterView:
    """A character of an organ with its most frequent states, chosen ones first, or its range in mm."""

    name: str
    label: str
    states: Sequence[StateView]
    range: tuple[str, str] | None
    low: str
    high: str
    chosen: int


@dataclass(frozen=True)
class OrganView:
    """An organ with its characters; open where one of them is filtered by."""

    name: str
    characters: Sequence[CharacterView]
    chosen: int


def organ_views(facets: Iterable[TraitFacet], question: Question) -> list[OrganView]:
    """Return the organs of which descriptions tell, the most widespread first, without characters that part nothing."""
    organs: dict[str, list[CharacterView]] = {}
    for facet in facets:
        view = _character_view(facet, question.where.get(TRAIT, ()))
        if view.chosen or view.range or len(view.states) > 1:
            organs.setdefault(facet.organ or "whole", []).append(view)
    return [OrganView(name, views, sum(view.chosen for view in views)) for name, views in organs.items()]


def _character_view(facet: TraitFacet, conditions: Sequence[str]) -> CharacterView:
    pairs = [one.partition("=") for one in conditions]
    own = [value.strip() for name, _, value in pairs if name.strip().casefold() == facet.character.casefold()]
    wanted = {value.casefold() for value in own}
    states = [
        StateView(name, count, name.casefold() in wanted, f"{facet.character}={name}") for name, count in facet.values
    ]
    states = [state for state in states if state.chosen] + [state for state in states if not state.chosen][:_STATES]
    label = " ".join(filter(None, (facet.part, facet.property)))
    low, _, high = own[0].removesuffix("mm").strip().partition("..") if facet.range and own else ("", "", "")
    shown = (f"{facet.range[0]:g}", f"{facet.range[1]:g}") if facet.range else None
    return CharacterView(facet.character, label, states, shown, low, high or low, len(own))
