"""Units of length."""

from __future__ import annotations

__all__ = ["MILLIMETRES", "is_metric", "millimetres"]

MILLIMETRES = {
    **{"um": 0.001, "mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0},
    **{"in": 25.4, "ft": 304.8, "yd": 914.4},
}
"""How many millimetres a unit is long."""


def is_metric(unit: str) -> bool:
    """Tell units of ten from those of twelve and three."""
    return unit.endswith("m")


def millimetres(value: float, unit: str) -> float:
    """Return a length in millimetres, to a nanometre."""
    return round(value * MILLIMETRES[unit], 6)
