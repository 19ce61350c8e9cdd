"""What nouns name: `FW tip` is the tip of the forewing, `spots` are on what the sentence speaks of."""

from __future__ import annotations

from collections.abc import Sequence

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
        return [Target(head.entry.organ, "", start, end)]
    organ = next((name.entry for name in reversed(names) if name.kind == "organ"), None)
    part = next((name.entry.value for name in reversed(names) if name.kind in ("part", "marking", "mass")), "")
    side, is_marking = _side(names), head.kind in ("marking", "mass")
    if organ is not None:
        return [Target(organ.value, part or organ.part, start, end, side, is_marking)]
    owned = [
        Target(
            one.organ,
            part or one.part,
            start,
            end,
            one.side if side is None else side,
            is_marking if part else one.is_marking,
        )
        for one in owners
    ]
    return list(dict.fromkeys(owned))


def _side(names: Sequence[Item]) -> Side | None:
    value = next((name.entry.value for name in names if name.kind == "side_noun"), None)
    return None if value is None else "above" if value == "above" else "below"
