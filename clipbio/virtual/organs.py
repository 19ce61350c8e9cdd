"""One function per organ; each draws it on a canvas from its characters and its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipbio.virtual.canvas import RGB, Canvas, mix
from clipbio.virtual.geometry import LeafPlan, Outline, bend
from clipbio.virtual.plant import Flower, Leaf

__all__ = ["COLOURS", "Dye", "draw_flower", "draw_fruit", "draw_leaf", "draw_root", "draw_stem"]

COLOURS: dict[str, dict[str, RGB]] = {
    "leaf_colour": {
        "dark green": (38, 84, 44),
        "yellow-green": (150, 176, 60),
        "blue-green": (84, 140, 134),
        "purple": (104, 52, 86),
    },
    "stem_colour": {"green": (92, 128, 60), "red": (156, 56, 52), "brown": (104, 78, 52)},
    "flower_colour": {
        "white": (250, 250, 246),
        "yellow": (246, 212, 44),
        "orange": (240, 136, 30),
        "red": (204, 30, 38),
        "pink": (240, 146, 180),
        "violet": (132, 62, 164),
        "blue": (58, 92, 206),
    },
    "centre_colour": {
        "yellow": (240, 200, 30),
        "black": (36, 28, 34),
        "white": (250, 248, 240),
        "green": (92, 140, 48),
    },
    "fruit_colour": {
        "red": (196, 34, 36),
        "orange": (236, 138, 36),
        "black": (40, 34, 40),
        "brown": (126, 82, 46),
        "green": (110, 156, 58),
        "blue": (60, 82, 170),
    },
}
_STRAW: RGB = (188, 162, 112)
_INK: RGB = (58, 44, 34)
_HAIR: RGB = (158, 150, 138)
_HAIR_LENGTH = 0.011
_CREAM: RGB = (240, 234, 190)
_LIGHT: RGB = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Dye:
    """How drying and light changed the colours of one specimen."""

    dryness: float
    shift: tuple[float, float, float]

    def __call__(self, colour: RGB, jitter: float = 0.0) -> RGB:
        """Return the colour as it looks on the sheet; `jitter` lightens one organ against its like."""
        faded = mix(colour, _STRAW, self.dryness)
        red, green, blue = (min(255, max(0, round(c + s + jitter))) for c, s in zip(faded, self.shift, strict=True))
        return red, green, blue


def draw_stem(canvas: Canvas, path: Outline, colour: RGB, *, width: float, hairy: bool) -> None:
    """Draw the stem, with hairs standing off to both sides."""
    if hairy:
        ahead = np.gradient(path)
        across = 1j * ahead / np.abs(ahead) * (width / 2 + _HAIR_LENGTH)
        canvas.hairs((path - across)[::2], (path + across)[::2], _HAIR)
    canvas.stroke(path, mix(colour, _INK, 0.5), width + 0.005)
    canvas.stroke(path, colour, width)


def draw_leaf(
    canvas: Canvas, plan: LeafPlan, leaf: Leaf, colour: RGB, stalk: RGB, *, pattern: str, hairy: bool
) -> None:
    """Draw a leaf: stalk, blades, pattern, veins and hairs."""
    edge = mix(colour, _INK, 0.55)
    points = leaf.base + leaf.span * bend(plan.points, leaf.curve)
    canvas.stroke(points[plan.stalk], mix(stalk, _INK, 0.25), 0.006)
    for blade in plan.blades:
        outline = points[blade]
        middle = complex(outline.mean())
        if hairy:
            roots = outline[::3]
            outward = (roots - middle) / np.maximum(np.abs(roots - middle), 1e-9)
            canvas.hairs(roots, roots + _HAIR_LENGTH * outward, _HAIR)
        canvas.fill(outline, _CREAM if pattern == "margined" else colour, edge)
        if pattern == "margined":
            canvas.fill(middle + (outline - middle) * 0.68, colour)
        elif pattern == "spotted":
            _draw_spots(canvas, outline, middle)
    vein_colour = mix(colour, _CREAM, 0.5)
    for vein in plan.veins:
        canvas.stroke(points[vein], vein_colour, 0.003)


def _draw_spots(canvas: Canvas, outline: Outline, middle: complex) -> None:
    half = len(outline) // 2
    size = 0.055 * float(np.abs(outline[0] - outline[half])) + 0.002
    for index in np.linspace(0.12, 0.88, 5):
        for point in (outline[int(index * half)], outline[-int(index * half) - 1]):
            canvas.disc(complex(middle + (point - middle) * 0.55), size, _CREAM)


def draw_flower(canvas: Canvas, flower: Flower, plan: tuple[Outline, ...], colour: RGB, centre: RGB) -> None:
    """Draw a flower: petals with a dark edge, then its centre."""
    turn = np.exp(1j * flower.turn)
    edge = mix(colour, _INK, 0.5)
    for petal in plan:
        slanted = petal.real + 1j * petal.imag * flower.squash
        canvas.fill(flower.centre + flower.radius * slanted * turn, colour, edge)
    canvas.disc(flower.centre, 0.27 * flower.radius, centre, mix(centre, _INK, 0.45))


def draw_fruit(canvas: Canvas, kind: str, centre: complex, span: complex, colour: RGB) -> None:
    """Draw a fruit whose length and direction are `span`."""
    _FRUITS[kind](canvas, centre, span, colour, mix(colour, _INK, 0.55))


def _draw_berry(canvas: Canvas, centre: complex, span: complex, colour: RGB, edge: RGB) -> None:
    canvas.stroke(np.array([centre - 0.45 * span, centre - 0.75 * span]), edge, 0.006)
    canvas.disc(centre, 0.43 * abs(span), colour, edge)
    canvas.disc(centre + abs(span) * (0.15 - 0.17j), 0.1 * abs(span), mix(colour, _LIGHT, 0.45))


def _draw_bur(canvas: Canvas, centre: complex, span: complex, colour: RGB, edge: RGB) -> None:
    for turn in np.linspace(0, 2 * np.pi, 15)[:-1]:
        canvas.stroke(np.array([centre, centre + span / 2 * np.exp(1j * turn)]), edge, 0.005)
    canvas.disc(centre, 0.29 * abs(span), colour, edge)


def _draw_capsule(canvas: Canvas, centre: complex, span: complex, colour: RGB, edge: RGB) -> None:
    canvas.fill(centre + span * _CAPSULE, colour, edge)
    for side in (-0.11j, 0.0, 0.11j):
        rib = np.array([0.6 * side - 0.4, 1.3 * side + 0.02, 0.8 * side + 0.3])
        canvas.stroke(centre + span * rib, edge, 0.004)


def _draw_pod(canvas: Canvas, centre: complex, span: complex, colour: RGB, edge: RGB) -> None:
    canvas.fill(centre + span * _POD, colour, edge)
    for place in (-0.27, -0.09, 0.09, 0.27):
        seed = centre + span * complex(place, 0.1 - 1.1 * place**2)
        canvas.disc(seed, 0.07 * abs(span), mix(colour, _LIGHT, 0.45), edge)


def _draw_samara(canvas: Canvas, centre: complex, span: complex, colour: RGB, edge: RGB) -> None:
    canvas.fill(centre + span * _WING, mix(colour, _LIGHT, 0.3), edge)
    canvas.stroke(centre + span * np.array([-0.3, 0.45 - 0.1j]), edge, 0.004)
    canvas.disc(centre - 0.32 * span, 0.17 * abs(span), colour, edge)


def draw_root(canvas: Canvas, kind: str, origin: complex, colour: RGB, random: np.random.Generator) -> None:
    """Draw what is below ground, hanging from `origin`."""
    edge = mix(colour, _INK, 0.5)
    if kind == "fibrous":
        _draw_rootlets(canvas, np.full(9, origin), np.linspace(-1.1, 1.1, 9), 0.1, edge, random)
    elif kind == "taproot":
        canvas.fill(origin + _TAPROOT, colour, edge)
    elif kind == "bulb":
        _draw_rootlets(canvas, np.full(4, origin + 0.07j), np.linspace(-0.5, 0.5, 4), 0.04, edge, random)
        canvas.fill(origin + _BULB, colour, edge)
        for side in (-0.02, 0.02):
            canvas.stroke(origin + np.array([0.005j, side + 0.03j, 0.3 * side + 0.065j]), edge, 0.003)
    else:
        turns = np.linspace(-0.6, 0.6, 4)
        _draw_rootlets(canvas, (origin + 0.14 * turns).astype(complex), turns, 0.05, edge, random)
        canvas.stroke(origin + _RHIZOME, edge, 0.034)
        canvas.stroke(origin + _RHIZOME, colour, 0.024)


def _draw_rootlets(
    canvas: Canvas, starts: Outline, turns: np.ndarray, reach: float, colour: RGB, random: np.random.Generator
) -> None:
    for start, turn in zip(starts, turns, strict=True):
        tip = 1j * np.exp(-1j * turn) * reach * random.uniform(0.75, 1.1)
        canvas.stroke(start + np.array([0, 0.55 * tip + random.normal(0, 0.006), tip]), colour, 0.004)


def _closed(points: list[complex]) -> Outline:
    half = np.array(points)
    return np.concatenate([half, half[::-1].conj()])


_CAPSULE = _closed([-0.5, -0.45 + 0.1j, -0.2 + 0.3j, 0.1 + 0.3j, 0.3 + 0.18j, 0.5 + 0.26j, 0.4 + 0.1j, 0.5 + 0.06j])
_BULB: Outline = (
    0.09j * _closed([-0.05 + 0.06j, 0.15 + 0.1j, 0.4 + 0.36j, 0.65 + 0.4j, 0.85 + 0.26j, 0.93 + 0j]) - 0.0135j
)
_ARC = np.linspace(-0.5, 0.5, 13)
_POD = np.concatenate(
    [_ARC + 1j * (0.24 - 1.1 * _ARC**2) - 0.02j, (_ARC + 1j * (-0.02 - 1.1 * _ARC**2 * 0.95))[::-1][1:-1]]
)
_WING = np.array([-0.45, -0.2 - 0.12j, 0.1 - 0.26j, 0.4 - 0.3j, 0.5 - 0.18j, 0.42 + 0.04j, 0.1 + 0.1j, -0.25 + 0.12j])
_TAPROOT = np.array([-0.024, -0.018 + 0.03j, 0.004 + 0.1j, 0.02 + 0.03j, 0.024])
_RHIZOME: Outline = np.array([-0.12 + 0.014j, -0.04 + 0.002j, 0.03, 0.1 + 0.012j])
_FRUITS = {
    "berry": _draw_berry,
    "capsule": _draw_capsule,
    "pod": _draw_pod,
    "samara": _draw_samara,
    "bur": _draw_bur,
}
