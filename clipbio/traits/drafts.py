"""Statements on their way to traits, and what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipbio.traits.numbers import span
from clipbio.traits.scanner import Item
from clipbio.traits.trait import Side, Trait

__all__ = ["NOWHERE", "Draft", "Scope", "Target", "adjective_drafts", "moved", "noun_drafts", "to_trait"]

_WHOLE_PROPERTIES = ("size", "form", "length", "width", "height", "thickness", "diameter", "wingspan")


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement is of: an organ, perhaps a part or a marking of it, and the words that name it."""

    organ: str = ""
    part: str = ""
    start: int = -1
    end: int = -1
    side: Side | None = None
    is_marking: bool = False


NOWHERE = Target()


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds for all statements of a while."""

    sex: str = ""
    stage: str = ""
    side: Side = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement: `item` says `value` of `property`, of a target."""

    target: Target
    item: Item
    property: str
    value: str
    scope: Scope
    of_organ: bool = False
    low: float | None = None
    high: float | None = None
    minimum: float | None = None
    maximum: float | None = None

    def moved(self, target: Target) -> Draft:
        """Return the same of another target; of a marking, of the same marking on another organ."""
        if self.target.part and not target.part:
            target = replace(target, part=self.target.part)
        side = target.side if target.side is not None else self.target.side
        return replace(self, target=replace(target, side=side, part="" if self.of_organ else target.part))


def noun_drafts(noun: Item, target: Target, scope: Scope) -> list[Draft]:
    """Say what a noun says by itself: a marking that it is there, a berry that the fruit is one."""
    entry = noun.entry
    if entry.kind in ("marking", "mass"):
        return [Draft(replace(target, part=""), noun, "pattern", entry.value, scope, of_organ=True)]
    if entry.kind == "kind":
        return [Draft(target, noun, entry.property, entry.value, scope)]
    return []


def adjective_drafts(item: Item, target: Target, scope: Scope) -> list[Draft]:
    """Say what an adjective says of a target; nothing for adjectives of sex and stage."""
    if item.kind == "measure":
        return _measured(item, target, scope)
    if item.kind == "count":
        return _counted(item, target, scope)
    if item.kind == "bodied":
        return _bodied(item, scope)
    entry = item.entry
    if item.kind != "state":
        return []
    if entry.part and target.is_marking:
        return []  # What edges a band does not edge the wing.
    drafts = []
    if entry.property:
        organ = target.organ or entry.organ
        is_of_organ = entry.property in (target.part, "pattern") or (entry.property, target.part) == (
            "venation",
            "vein",
        )
        part = "" if is_of_organ else target.part
        of_organ = entry.property == "pattern"
        drafts.append(
            Draft(replace(target, organ=organ, part=part), item, entry.property, entry.value, scope, of_organ)
        )
    if entry.part and item.agent is not None:
        drafts += adjective_drafts(item.agent, replace(target, part=entry.part), scope)
    return drafts


def _bodied(item: Item, scope: Scope) -> list[Draft]:
    """Say that a red-eyed one has a red eye, a six-spotted one six spots."""
    if item.agent is None:
        return []
    is_marking = item.entry.organ == "marking"
    organ, part = ("", item.entry.value) if is_marking else (item.entry.value, item.entry.part)
    target = Target(organ, part, item.agent.end + 1, item.end, is_marking=is_marking)
    return adjective_drafts(item.agent, target, scope)


def _counted(item: Item, target: Target, scope: Scope) -> list[Draft]:
    count = item.number.count if item.number else None
    if count is None or count.of:
        return []
    value = span(count.low, count.high)
    return [Draft(target, item, "count", value, scope, False, count.low, count.high, count.minimum, count.maximum)]


def _measured(item: Item, target: Target, scope: Scope) -> list[Draft]:
    number = item.number
    if number is None:
        return []
    scope = replace(scope, sex=number.sex or scope.sex)
    return [
        Draft(
            target,
            item,
            one.role,
            f"{span(one.low, one.high)} mm",
            scope,
            low=one.low,
            high=one.high,
            minimum=one.minimum,
            maximum=one.maximum,
        )
        for one in number.dimensions
    ]


def to_trait(draft: Draft, text: str, default_organ: str) -> Trait:
    """Return the trait that a statement makes; where no organ is named that is `default_organ`."""
    item, target, scope = draft.item, draft.target, draft.scope
    start, end = item.start, item.end
    if item.number is not None:
        start, end = item.number.start, item.number.end
    organ = target.organ
    if not organ and draft.property not in _WHOLE_PROPERTIES:
        organ = default_organ
    return Trait(
        organ=organ,
        part=target.part,
        property=draft.property,
        value=draft.value,
        phrase=text[start:end],
        start=start,
        end=end,
        low=draft.low,
        high=draft.high,
        minimum=draft.minimum,
        maximum=draft.maximum,
        unit="mm" if item.kind == "measure" else "",
        shade=item.colour.shade if item.colour is not None else "",
        sex=scope.sex,
        stage=scope.stage,
        side=scope.side if target.side is None else target.side,
        negated=scope.negated,
        organ_start=target.start,
        organ_end=target.end,
    )


def moved(drafts: Sequence[Draft], target: Target) -> list[Draft]:
    """Return statements as those of another target."""
    return [draft.moved(target) for draft in drafts]
