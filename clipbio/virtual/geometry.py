"""Outlines in the complex plane: a blade has its base at 0 and its tip at 1, and every pose is one multiplication."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LeafPlan", "Outline", "bend", "flower_plan", "leaf_plan", "spline"]

Outline = NDArray[np.complex128]

# Half outlines from base to tip: (position along the midrib, distance from it).
_HALVES: dict[str, tuple[tuple[float, float], ...]] = {
    "linear": ((0, 0), (0.06, 0.045), (0.35, 0.06), (0.7, 0.05), (1, 0)),
    "lanceolate": ((0, 0), (0.1, 0.095), (0.3, 0.15), (0.6, 0.105), (0.85, 0.04), (1, 0)),
    "elliptic": ((0, 0), (0.08, 0.09), (0.25, 0.19), (0.5, 0.235), (0.75, 0.19), (0.92, 0.09), (1, 0)),
    "ovate": ((0, 0), (0.03, 0.16), (0.15, 0.3), (0.3, 0.33), (0.55, 0.24), (0.82, 0.09), (1, 0)),
    "obovate": ((0, 0), (0.25, 0.06), (0.5, 0.19), (0.72, 0.3), (0.9, 0.25), (0.98, 0.12), (1, 0)),
    "orbicular": ((0, 0), (0.02, 0.2), (0.18, 0.41), (0.5, 0.5), (0.82, 0.41), (0.98, 0.2), (1, 0)),
    "cordate": ((0, 0), (-0.12, 0.1), (-0.15, 0.27), (0.0, 0.42), (0.25, 0.43), (0.55, 0.27), (0.82, 0.09), (1, 0)),
    "sagittate": ((0, 0.02), (-0.15, 0.14), (-0.32, 0.3), (-0.1, 0.24), (0.14, 0.2), (0.45, 0.15), (0.8, 0.06), (1, 0)),
}
_TEETH = {"entire": 0.0, "serrate": 0.06, "crenate": 0.055}
_TEETH_PER_SIDE = 6


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """One kind of leaf, of length 1, its stalk beginning at 0: all points in one array, cut into parts by slices."""

    points: Outline
    blades: tuple[slice, ...]
    veins: tuple[slice, ...]
    stalk: slice


def spline(points: Outline, num_points: int) -> Outline:
    """Draw a smooth curve (Catmull-Rom) through `points`."""
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    place = np.linspace(0, len(points) - 1, num_points)
    first = np.minimum(place.astype(int), len(points) - 2)
    t = place - first
    a, b, c, d = (padded[first + shift] for shift in range(4))
    curve: Outline = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return curve


def bend(path: Outline, amount: float) -> Outline:
    """Curve a path to one side, the more the farther it is from its base."""
    curved: Outline = path * np.exp(1j * amount * path.real)
    return curved


@lru_cache(maxsize=4096)
def leaf_plan(shape: str, margin: str, division: str, venation: str) -> LeafPlan:
    """Lay out a leaf: blades, veins and stalk."""
    places, widest = _leaflets(division)
    blade = _blade(shape, margin, division)
    blade = blade.real + 1j * blade.imag * min(1.0, widest / blade.imag.max())
    veins = _veins(blade, venation)
    # Leaflets are too small to show more than their midrib.
    veins = veins if len(places) == 1 else veins[:1]
    parts = [base + span * blade for base, span in places]
    parts += [base + span * vein for base, span in places for vein in veins]
    parts.append(np.linspace(0, max(base.real for base, _ in places), 4).astype(complex))
    ends = np.cumsum([len(part) for part in parts]).tolist()
    slices = [slice(end - len(part), end) for end, part in zip(ends, parts, strict=True)]
    return LeafPlan(np.concatenate(parts), tuple(slices[: len(places)]), tuple(slices[len(places) : -1]), slices[-1])


def _leaflets(division: str) -> tuple[list[tuple[complex, complex]], float]:
    """Return where each blade begins and its span, and the greatest half width of a blade."""
    if division == "pinnate":
        pairs = [
            (at + 0j, complex(0.36 * np.exp(turn * 1j))) for at in (0.24, 0.42, 0.6, 0.77) for turn in (1.05, -1.05)
        ]
        return [*pairs, (0.78 + 0j, 0.3 + 0j)], 0.4
    fans = {"trifoliolate": (0.6, (-1.25, 1.25, 0.0)), "palmate": (0.58, (-1.75, 1.75, -0.85, 0.85, 0.0))}
    if division in fans:
        length, turns = fans[division]
        return [(0.42 + 0j, complex(length * np.exp(turn * 1j))) for turn in turns], 0.36
    return [(0.2 + 0j, 0.8 + 0j)], 1.0


@lru_cache(maxsize=512)
def flower_plan(petal_number: int, petal_shape: str) -> tuple[Outline, ...]:
    """Lay out the petals of a flower of radius 1 around 0."""
    petal = _petal(petal_shape, petal_number)
    return tuple(petal * np.exp(2j * np.pi * (index / petal_number) - 0.5j * np.pi) for index in range(petal_number))


def _blade(shape: str, margin: str, division: str) -> Outline:
    half = spline(np.array([complex(x, y) for x, y in _HALVES[shape]]), 61)
    if division == "pinnately lobed":
        half = _widened(half, 0.26)
        lobes = np.abs(np.sin(np.pi * (0.4 + 4.1 * np.linspace(0, 1, 61)))) ** 0.8
        half = half.real + 1j * half.imag * (0.22 + 0.78 * lobes)
    elif division == "palmately lobed":
        half = _widened(half, 0.4)
        turn = np.angle(half - 0.3)
        half = 0.3 + (half - 0.3) * (0.36 + 0.64 * np.abs(np.cos(2.5 * turn)) ** 0.7)
    half = _toothed(half, margin)
    outline: Outline = np.concatenate([half, half[-2:0:-1].conj()])
    return outline


def _toothed(half: Outline, margin: str) -> Outline:
    height = _TEETH[margin]
    if not height:
        return half[::2]
    along = np.gradient(half)
    outward = 1j * along / np.maximum(np.abs(along), 1e-9)
    distance = np.cumsum(np.abs(along))
    phase = (distance / distance[-1] * _TEETH_PER_SIDE) % 1
    wave = phase if margin == "serrate" else np.sqrt(np.clip(1 - (2 * phase - 1) ** 2, 0, 1))
    fade = np.sin(np.pi * np.linspace(0, 1, len(half))) ** 0.5
    toothed: Outline = half + outward * height * wave * fade
    return toothed


def _widened(half: Outline, width: float) -> Outline:
    widened: Outline = half.real + 1j * half.imag * max(1.0, width / half.imag.max())
    return widened


def _veins(blade: Outline, venation: str) -> tuple[Outline, ...]:
    midrib = np.array([0, 0.94], dtype=complex)
    width = float(blade.imag.max())
    if venation == "parallel":
        sides = [np.array([0.05, 0.4 + 1j * s * width, 0.88]) for s in (-0.55, 0.55)]
        return (midrib, *(spline(side, 7) for side in sides))
    if venation == "palmate":
        return (midrib, *(0.03 + np.array([0, 0.6 * np.exp(1j * turn)]) for turn in (-1.0, -0.5, 0.5, 1.0)))
    forks = [np.array([at, at + 0.16 + 1j * side * width * 0.62]) for at in (0.18, 0.4, 0.62) for side in (1, -1)]
    return (midrib, *forks)


def _petal(shape: str, number: int) -> Outline:
    wide = min(0.55, 1.7 / number)
    halves = {
        "rounded": ((0.08, 0.04), (0.35, 0.6 * wide), (0.7, wide), (0.93, 0.7 * wide), (1, 0)),
        "pointed": ((0.08, 0.04), (0.3, 0.55 * wide), (0.5, 0.75 * wide), (0.78, 0.3 * wide), (1, 0)),
        "notched": ((0.08, 0.04), (0.4, 0.55 * wide), (0.8, wide), (1, 0.62 * wide), (0.96, 0.3 * wide), (0.7, 0)),
        "strap-shaped": ((0.08, 0.07), (0.4, 0.1), (0.7, 0.12), (0.97, 0.1), (1, 0)),
    }
    half = spline(np.array([complex(x, y) for x, y in halves[shape]]), 13)
    outline: Outline = np.concatenate([half, half[-2:0:-1].conj()])
    return outline
