"""What the states of the virtual characters say in the words of `clipbio.traits`: organ, property, value.

The truth of a drawn sheet and the claims of a description name characters such as `leaf_division`; extracted traits
name `leaf structure`. Here one becomes the other, so that extraction, description and verification have exact truth.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass

from clipbio.errors import ClipbioError, nearest

__all__ = ["Triple", "claimed", "trait_character", "triples"]

_SUBJECTS = {
    "leaf_arrangement": ("leaf", "", "arrangement"),
    "leaf_division": ("leaf", "", "structure"),
    "leaf_shape": ("leaf", "", "shape"),
    "leaf_margin": ("leaf", "", "margin"),
    "leaf_venation": ("leaf", "", "venation"),
    "leaf_colour": ("leaf", "", "colour"),
    "leaf_pattern": ("leaf", "", "pattern"),
    "indumentum": ("stem", "", "surface"),
    "stem_form": ("stem", "", "form"),
    "stem_colour": ("stem", "", "colour"),
    "inflorescence": ("flower", "", "arrangement"),
    "petal_number": ("petal", "", "count"),
    "petal_shape": ("petal", "", "shape"),
    "flower_colour": ("flower", "", "colour"),
    "centre_colour": ("flower", "centre", "colour"),
    "fruit_type": ("fruit", "", "type"),
    "fruit_colour": ("fruit", "", "colour"),
    "root": ("root", "", "type"),
    "stem_length_cm": ("stem", "", "length"),
    "leaf_length_cm": ("leaf", "", "length"),
    "flower_diameter_mm": ("flower", "", "diameter"),
    "fruit_length_mm": ("fruit", "", "length"),
}
_VALUES = {"spotted": "spot", "margined": "margin"}
_MARKING_COLOUR = "cream"
_RANGE = re.compile(r"([\d.]+)–([\d.]+) ([cm]m)")


@dataclass(frozen=True, slots=True)
class Triple:
    """A true statement in the canonical words of `clipbio.traits.Trait`; `low` and `high` are millimetres."""

    organ: str
    property: str
    value: str
    part: str = ""
    shade: str = ""
    low: float | None = None
    high: float | None = None

    @builtins.property
    def character(self) -> str:
        """Name what the value is of, as `Trait.character` does: `leaf structure`, `flower centre colour`."""
        return " ".join(filter(None, (self.organ, self.part, self.property)))


def trait_character(name: str) -> str:
    """Return the trait character of the virtual character `name`: `leaf structure` for `leaf_division`."""
    return " ".join(filter(None, _subject(name)))


def triples(name: str, state: str) -> tuple[Triple, ...]:
    """Return what it means that the discrete character `name` has this state; the first is the character itself.

    Spots and margins of leaves are cream, which is a statement of its own.
    """
    organ, part, property_ = _subject(name)
    value, shade = _VALUES.get(state, state), ""
    if property_ == "colour" and " " in value:
        shade, value = value.split()
    own = Triple(organ, property_, value, part, shade)
    if name == "leaf_pattern" and state in _VALUES:
        return own, Triple(organ, "colour", _MARKING_COLOUR, value)
    return (own,)


def claimed(name: str, value: str) -> tuple[Triple, ...]:
    """Return what a claim of a description says: of a state, or of a range such as `3.5–5 cm`."""
    found = _RANGE.fullmatch(value)
    if found is None:
        return triples(name, value)
    scale = 10 if found[3] == "cm" else 1
    low, high = (round(float(number) * scale, 6) for number in (found[1], found[2]))
    organ, part, property_ = _subject(name)
    return (Triple(organ, property_, f"{low:g}-{high:g} mm", part, low=low, high=high),)


def _subject(name: str) -> tuple[str, str, str]:
    if name not in _SUBJECTS:
        raise ClipbioError(f"virtual characters: there is no '{name}'{nearest(name, _SUBJECTS)}")
    return _SUBJECTS[name]
