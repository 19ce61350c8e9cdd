"""What nouns name: `FW tip` is the tip of the forewing, `spots` are on what the sentence speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipbio.traits.drafts import Target
from clipbio.traits.scanner import Item
from clipbio.traits.trait import Side

__all__ = ["targets_of"]


def targets_of(names: Sequence[Item], owners: Sequence[Target]) -> list[Target]:
    """Return what compound nouns name; what has no organ of its own belongs to each of `owners`."""
    if not names:
        return [Target()]
    head, start, end = names[-1], min(name.start for name in names), max(name.end for name in names)
    if head.kind in ("kind", "whole"):
        # What is said of a raceme is said of no single flower.
        is_arrangement = head.entry.property == "arrangement"
        return [Target("inflorescence" if is_arrangement else head.entry.organ, "", start, end)]
    organ = next((name.entry for name in reversed(names) if name.kind == "organ"), None)
    part = next((name.entry.value for name in reversed(names) if name.kind in ("part", "marking", "mass")), "")
    side, is_marking = _side(names), head.kind in ("marking", "mass")
    if organ is not None:
        return [Target(organ.value, part or organ.part, start, end, side, is_marking)]
    if head.kind == "ground":
        return [replace(one, part="", start=start, end=end, is_marking=False) for one in owners]
    owned = [_owned(one, head, part, side) for one in owners]
    owned = [replace(one, start=start, end=end) for one in owned]
    return list(dict.fromkeys(owned))


def _owned(owner: Target, head: Item, part: str, side: Side | None) -> Target:
    """Return a part of what owns it: of a spot its rim."""
    is_marking = head.kind in ("marking", "mass") if part else owner.is_marking
    if owner.is_marking and head.kind == "part" and part not in ("", "marking"):
        part, is_marking = f"{owner.part} {part}", True
    return Target(owner.organ, part or owner.part, side=owner.side if side is None else side, is_marking=is_marking)


def _side(names: Sequence[Item]) -> Side | None:
    value = next((name.entry.value for name in names if name.kind == "side_noun"), None)
    return None if value is None else "above" if value == "above" else "below"
