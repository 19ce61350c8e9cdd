"""Descriptions with their traits marked: text in pieces, each of which tells a character or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clipbio.serving.views import marked
from clipbio.traits import Trait, caption

__all__ = ["Piece", "StatedTrait", "pieces", "stated"]


@dataclass(frozen=True)
class StatedTrait:
    """A trait as the page tells it.

    `where` is what is looked for in pictures, `condition` the filter of all specimens that share it (empty for what is
    denied).
    """

    organ: str
    character: str
    value: str
    where: str
    condition: str
    start: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what is stated, wherever that stands."""
        return self.organ, self.character, self.value

    @classmethod
    def of(cls, trait: Trait) -> StatedTrait:
        """Return a trait in words."""
        character = " ".join(filter(None, (trait.part, trait.property)))
        more = (trait.shade if trait.shade != trait.value else "", trait.side, trait.sex, trait.stage)
        value = f"{'not ' if trait.negated else ''}{trait.value}"
        told = f"{value} ({', '.join(filter(None, more))})" if any(more) else value
        condition = "" if trait.negated else f"{trait.character}={trait.value}"
        return cls(trait.organ or "whole", character, told, caption(trait), condition, trait.start)


@dataclass(frozen=True)
class Piece:
    """A stretch of text with the words of a question marked; `traits` are what it tells, `start` is its place."""

    text: Markup
    traits: tuple[StatedTrait, ...] = ()
    start: int = 0

    @property
    def where(self) -> str:
        """Return what is looked for in pictures."""
        return ", ".join(dict.fromkeys(trait.where for trait in self.traits))


def pieces(text: str, spans: Iterable[tuple[int, int]], traits: Sequence[Trait]) -> list[Piece]:
    """Cut a text at its traits; those that overlap share a piece.

    Args:
        text: A description.
        spans: Where words of the question stand in it, (start, end).
        traits: What it tells.
    """
    spans, found, place = list(spans), [], 0
    for start, end, some in _stretches(traits, len(text)):
        if start > place:
            found.append(Piece(_marked(text, spans, place, start), (), place))
        found.append(Piece(_marked(text, spans, start, end), tuple(map(StatedTrait.of, some)), start))
        place = end
    if place < len(text):
        found.append(Piece(_marked(text, spans, place, len(text)), (), place))
    return found


def stated(traits: Iterable[Trait]) -> list[StatedTrait]:
    """Return what texts tell, each once, organ by organ and there character by character, as they come."""
    once = dict.fromkeys(map(StatedTrait.of, traits))
    known: dict[tuple[str, str, str], StatedTrait] = {}
    for one in once:
        known.setdefault(one.key, one)
    organs = {one.organ: None for one in once}
    characters = {(one.organ, one.character): None for one in once}
    order = {pair: (list(organs).index(pair[0]), place) for place, pair in enumerate(characters)}
    return sorted(known.values(), key=lambda one: order[one.organ, one.character])


def _stretches(traits: Sequence[Trait], length: int) -> list[tuple[int, int, list[Trait]]]:
    found: list[tuple[int, int, list[Trait]]] = []
    for trait in sorted(traits, key=lambda trait: (trait.start, trait.end)):
        if not 0 <= trait.start < trait.end <= length:
            continue
        if found and trait.start < found[-1][1]:
            start, end, some = found[-1]
            found[-1] = start, max(end, trait.end), [*some, trait]
        else:
            found.append((trait.start, trait.end, [trait]))
    return found


def _marked(text: str, spans: Iterable[tuple[int, int]], start: int, end: int) -> Markup:
    within = ((max(one, start) - start, min(other, end) - start) for one, other in spans if one < end and other > start)
    return marked(text[start:end], within)
