"""Statements on their way to traits, and what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipbio.traits.numbers import span
from clipbio.traits.scanner import Item
from clipbio.traits.trait import MEASURED, Side, Trait
from clipbio.traits.vocabulary import Vocabulary

__all__ = ["NOWHERE", "Draft", "Scope", "Target", "adjective_drafts", "moved", "noun_drafts", "to_traits"]

_NAMED_BY = {"margin": ("margin", "edge", "border"), "venation": ("vein",)}
_WHOLE_PROPERTIES = ("size", "form", *MEASURED)


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
    """What holds for all statements of a while; `others` are further pairs of sex and stage: `females/immatures`."""

    sex: str = ""
    stage: str = ""
    side: Side = ""
    negated: bool = False
    others: tuple[tuple[str, str], ...] = ()


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
        return [Draft(replace(target, organ=entry.organ), noun, entry.property, entry.value, scope)]
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
        # What edges a band does not edge the wing.
        return _of_part(item, replace(target, part=f"{target.part} {entry.part}"), scope)
    drafts = []
    if entry.property:
        own = replace(target, organ=target.organ or entry.organ, part=_part_of(entry.property, target.part))
        property_ = entry.property
        if property_ == "build":
            property_ = "shape" if own.part or own.organ not in ("", "body") else "form"
        drafts.append(Draft(own, item, property_, entry.value, scope, property_ == "pattern"))
    return drafts + _of_part(item, replace(target, part=entry.part), scope)


def _of_part(item: Item, target: Target, scope: Scope) -> list[Draft]:
    """Say what stands before a part in a compound: the black of `black-tipped`."""
    return adjective_drafts(item.agent, target, scope) if item.entry.part and item.agent is not None else []


def _part_of(property_: str, part: str) -> str:
    """Return the part that a statement is of; serrate margins are a serrate margin of the leaf."""
    is_of_organ = property_ == "pattern" or part in _NAMED_BY.get(property_, ())
    return "" if is_of_organ else part


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
    entry = item.entry
    if count is None or (count.of and not entry.organ and not entry.part):
        return []
    drafts = []
    if count.of:
        target = Target(entry.organ, entry.part) if entry.organ else replace(target, part=entry.part)
    if entry.value:  # a marking: what is two-spotted has spots
        drafts.append(Draft(replace(target, part=""), item, "pattern", entry.value, scope, of_organ=True))
    value = span(count.low, count.high)
    counted = Draft(target, item, "count", value, scope, False, count.low, count.high, count.minimum, count.maximum)
    return [*drafts, counted]


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


def to_traits(draft: Draft, text: str, vocabulary: Vocabulary) -> list[Trait]:
    """Return the traits that a statement makes, one for each sex or stage that it is told of."""
    scope = draft.scope
    scopes = [scope, *(replace(scope, sex=sex, stage=stage) for sex, stage in scope.others)]
    return [_trait(replace(draft, scope=one), text, vocabulary) for one in scopes]


def _trait(draft: Draft, text: str, vocabulary: Vocabulary) -> Trait:
    item, target, scope = draft.item, draft.target, draft.scope
    start, end = item.start, item.end
    if item.number is not None:
        start, end = item.number.start, item.number.end
    organ = target.organ
    if not organ and draft.property not in _WHOLE_PROPERTIES:
        organ = vocabulary.default.get("organ", "")
    if draft.property == "colour" and not target.part:
        organ = vocabulary.coverings.get(organ, organ)
    side: Side = scope.side if target.side is None else target.side
    if vocabulary.sided is not None and organ not in vocabulary.sided:
        side = ""
    is_of_whole = draft.property == "wingspan"
    return Trait(
        organ="" if is_of_whole else organ,
        part="" if is_of_whole else target.part,
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
        side=side,
        negated=scope.negated,
        organ_start=target.start,
        organ_end=target.end,
    )


def moved(drafts: Sequence[Draft], target: Target) -> list[Draft]:
    """Return statements as those of another target."""
    return [draft.moved(target) for draft in drafts]
