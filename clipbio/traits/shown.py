"""Which organs a picture of an organ shows."""

from __future__ import annotations

__all__ = ["shows"]

# What is seen inside of an organ that masks tell apart.
_INSIDE = {
    "leaflet": "leaf",
    "petiole": "leaf",
    **dict.fromkeys(("petal", "sepal", "corolla", "calyx", "stamen", "inflorescence"), "flower"),
    "seed": "fruit",
}


def shows(part: str, organ: str) -> bool:
    """Tell whether a picture of `part` shows `organ`: a flower shows its petals, a petal no flower."""
    return part in (organ, _INSIDE.get(organ))
