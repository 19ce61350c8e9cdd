"""A herbarium sheet: paper, ruler, colour card, label, and the plant with its details mounted on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from clipbio.seeding import rng
from clipbio.virtual.canvas import RGB, Canvas, encode, mix
from clipbio.virtual.geometry import flower_plan, leaf_plan
from clipbio.virtual.organs import COLOURS, Dye, draw_flower, draw_fruit, draw_leaf, draw_root, draw_stem
from clipbio.virtual.plant import SHEET_CM, Flower, Plant

__all__ = ["draw_sheet"]

_PAPER: RGB = (240, 232, 212)
_CARD: RGB = (252, 251, 247)
_INK: RGB = (52, 46, 44)
_ROOT: RGB = (160, 124, 84)
_TAPE: RGB = (226, 220, 202)
_SWATCHES: tuple[RGB, ...] = (
    (30, 30, 30), (120, 120, 120), (245, 245, 245), (200, 40, 40), (235, 200, 40), (50, 130, 60), (40, 90, 180),
)  # fmt: skip


def draw_sheet(
    plant: Plant,
    states: Mapping[str, str],
    sizes: Mapping[str, float],
    *,
    printed: tuple[str, ...],
    image_size: int,
    random: np.random.Generator,
    masked: bool = False,
) -> tuple[bytes, np.ndarray | None]:
    """Draw a sheet and encode it; `printed` holds the lines of the label, none for a sheet without label.

    Returns:
        The picture, and with `masked` the number of the part that each pixel shows (`canvas.PARTS`), which takes
        nothing from the picture: it is the same with and without.
    """
    tint = tuple(int(value) for value in random.normal(0, 5, size=3) + random.normal(0, 4))
    paper = mix(_PAPER, (max(0, 200 + tint[0]), max(0, 190 + tint[1]), max(0, 160 + tint[2])), random.uniform(0, 0.3))
    shift = random.normal(0, 5, size=3)
    dye = Dye(float(random.uniform(0, 0.16)), (float(shift[0]), float(shift[1]), float(shift[2])))
    canvas = Canvas(image_size, paper, masked=masked)
    _draw_stains(canvas, paper, random)
    _draw_ruler(canvas)
    _draw_colour_card(canvas)
    _draw_plant(canvas, plant, states, dye, random)
    _draw_wear(canvas, plant, paper, random)
    _draw_tape(canvas, plant, random)
    _draw_flower_card(canvas, states, dye, random)
    _draw_fruits(canvas, states, sizes, dye, random)
    _draw_label(canvas, printed)
    return encode(_grained(canvas.pixels(), random)), canvas.numbers()


def _draw_plant(canvas: Canvas, plant: Plant, states: Mapping[str, str], dye: Dye, random: np.random.Generator) -> None:
    colour = {name: dye(COLOURS[name][states[name]]) for name in COLOURS}
    hairy = states["indumentum"] == "hairy"
    canvas.part = "root"
    draw_root(canvas, states["root"], complex(plant.stem[0]), dye(_ROOT), random)
    canvas.part = "stem"
    for stalk in plant.stalks:
        canvas.stroke(stalk, mix(colour["stem_colour"], _INK, 0.25), 0.006)
    draw_stem(canvas, plant.stem, colour["stem_colour"], width=0.013, hairy=hairy)
    plan = leaf_plan(states["leaf_shape"], states["leaf_margin"], states["leaf_division"], states["leaf_venation"])
    canvas.part = "leaf"
    for leaf in plant.leaves:
        green = dye(COLOURS["leaf_colour"][states["leaf_colour"]], random.normal(0, 5))
        draw_leaf(canvas, plan, leaf, green, colour["stem_colour"], pattern=states["leaf_pattern"], hairy=hairy)
    for flower in plant.flowers:
        _draw_bloom(canvas, flower, states, dye)


def _draw_bloom(canvas: Canvas, flower: Flower, states: Mapping[str, str], dye: Dye) -> None:
    canvas.part = "flower"
    plan = flower_plan(int(states["petal_number"]), states["petal_shape"])
    colour, centre = (dye(COLOURS[name][states[name]]) for name in ("flower_colour", "centre_colour"))
    draw_flower(canvas, flower, plan, colour, centre)


def _draw_flower_card(canvas: Canvas, states: Mapping[str, str], dye: Dye, random: np.random.Generator) -> None:
    """Mount a flattened flower, enlarged to one size, so that the petals can be counted."""
    canvas.part = "flower card"
    corner = complex(0.695, 0.085) + complex(*random.normal(0, 0.006, size=2))
    canvas.box(corner + 0.006 * (1 + 1j), 0.28 * (1 + 1j), mix(_PAPER, _INK, 0.25))
    canvas.box(corner, 0.28 * (1 + 1j), mix(_CARD, _INK, 0.12), mix(_CARD, _INK, 0.4))
    radius, turn = 0.128 * random.uniform(0.92, 1.0), random.normal(0, 0.25)
    _draw_bloom(canvas, Flower(corner + 0.14 * (1 + 1j), radius, turn, 1.0), states, dye)


def _draw_fruits(
    canvas: Canvas, states: Mapping[str, str], sizes: Mapping[str, float], dye: Dye, random: np.random.Generator
) -> None:
    """Lay loose fruits below the flower card, drawn to the scale of the ruler."""
    canvas.part = "fruit"
    length = sizes["fruit_length_mm"] / 10 / SHEET_CM
    colour = COLOURS["fruit_colour"][states["fruit_colour"]]
    places = (0.765 + 0.47j, 0.9 + 0.55j, 0.77 + 0.66j)[: int(random.integers(2, 4))]
    for place in places:
        centre = place + complex(*random.normal(0, 0.01, size=2))
        span = length * random.uniform(0.9, 1.0) * np.exp(1j * random.normal(-1.2, 0.45))
        draw_fruit(canvas, states["fruit_type"], centre, complex(span), dye(colour, random.normal(0, 5)))


def _draw_ruler(canvas: Canvas) -> None:
    canvas.part = "ruler"
    step = 1 / SHEET_CM
    canvas.box(0.03 + 0.95j, complex(10 * step, 0.026), _CARD, _INK)
    for centimetre in range(0, 10, 2):
        canvas.box(complex(0.03 + centimetre * step, 0.95), complex(step, 0.013), _INK)


def _draw_colour_card(canvas: Canvas) -> None:
    canvas.part = "colour card"
    for order, swatch in enumerate(_SWATCHES):
        canvas.box(complex(0.7 + 0.039 * order, 0.02), 0.037 + 0.034j, swatch)


def _draw_label(canvas: Canvas, printed: tuple[str, ...]) -> None:
    if not printed:
        return
    canvas.part = "label"
    corner, size = 0.635 + 0.795j, 0.345 + 0.18j
    canvas.box(corner, size, _CARD, _INK)
    heights = (0.034, 0.042, 0.032, 0.032)
    offset = 0.01
    for line, height in zip(printed, heights, strict=False):
        canvas.words(corner + complex(0.015, offset), line, _INK, height=height, width=size.real - 0.03)
        offset += height + 0.006


def _draw_tape(canvas: Canvas, plant: Plant, random: np.random.Generator) -> None:
    """Fasten the stem with two strips of linen."""
    canvas.part = "tape"
    for share in (0.07, 0.53):
        centre, ahead = plant.at(share + float(random.uniform(-0.02, 0.02)))
        across = ahead * np.exp(1j * (np.pi / 2 + random.normal(0, 0.15)))
        strip = np.array([0.034 * across, -0.034 * across])
        outline = centre + np.concatenate([strip + 0.008 * ahead, strip[::-1] - 0.008 * ahead])
        canvas.fill(outline, _TAPE, mix(_TAPE, _INK, 0.25))


def _draw_stains(canvas: Canvas, paper: RGB, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(0, 4))):
        place = complex(*random.uniform(0, 1, size=2))
        canvas.disc(place, random.uniform(0.01, 0.06), mix(paper, (168, 134, 84), random.uniform(0.03, 0.14)))


def _draw_wear(canvas: Canvas, plant: Plant, paper: RGB, random: np.random.Generator) -> None:
    """Let insects have eaten a little of the leaves."""
    canvas.part = ""
    for _ in range(int(random.integers(0, 3))):
        leaf = plant.leaves[int(random.integers(len(plant.leaves)))]
        canvas.disc(leaf.base + leaf.span * random.uniform(0.4, 0.85), random.uniform(0.003, 0.009), paper)


@lru_cache(maxsize=4)
def _grain(size: int) -> np.ndarray:
    return rng("virtual", "paper").normal(0, 2.5, size=(size + 64, size + 64, 1)).astype(np.int16)


def _grained(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add the grain of paper and scanner."""
    size = len(pixels)
    top, left = (int(value) for value in random.integers(0, 64, size=2))
    grained: np.ndarray = np.clip(pixels + _grain(size)[top : top + size, left : left + size], 0, 255).astype(np.uint8)
    return grained
