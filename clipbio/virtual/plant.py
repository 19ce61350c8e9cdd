"""How one pressed plant lies on its sheet: where the stem runs and where leaves, flowers and fruits sit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from clipbio.virtual.geometry import Outline

__all__ = ["SHEET_CM", "Flower", "Leaf", "Plant", "pose"]

SHEET_CM = 20.0  # the side of a sheet: the unit of the canvas
_NUM_STEPS = 40
_RACHIS = {"raceme": 0.42, "spike": 0.38, "panicle": 0.45, "umbel": 0.12}  # share of the stem without leaves


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf: where its stalk begins, its length and direction as one number, and its curvature."""

    base: complex
    span: complex
    curve: float


@dataclass(frozen=True, slots=True)
class Flower:
    """A flower seen at a slant: the share `squash` of its height is left."""

    centre: complex
    radius: float
    turn: float
    squash: float


@dataclass(slots=True)
class Plant:
    """The geometry of one plant in sheet units."""

    stem: Outline
    stalks: list[Outline] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    flowers: list[Flower] = field(default_factory=list)

    def at(self, share: float) -> tuple[complex, complex]:
        """Return the point at this share of the stem and the direction of growth there."""
        step = min(int(share * (len(self.stem) - 1)), len(self.stem) - 2)
        ahead = self.stem[step + 1] - self.stem[step]
        return complex(self.stem[step]), complex(ahead / abs(ahead))


def pose(states: Mapping[str, str], sizes: Mapping[str, float], random: np.random.Generator) -> Plant:
    """Lay out a plant with these characters and measured sizes."""
    nodes = _nodes(states, random)
    plant = Plant(_stem(states["stem_form"], sizes["stem_length_cm"] / SHEET_CM, len(nodes), random))
    _add_leaves(plant, states["leaf_arrangement"], nodes, sizes["leaf_length_cm"] / SHEET_CM, random)
    radius = sizes["flower_diameter_mm"] / 20 / SHEET_CM
    if states["inflorescence"] != "axillary":
        _add_inflorescence(plant, states["inflorescence"], radius, random)
    elif states["leaf_arrangement"] == "basal":
        _add_scapes(plant, radius, random)
    else:
        side = 1 if random.random() < 0.5 else -1
        for order, node in enumerate(nodes):
            turn = 0.55 * (side if order % 2 else -side)
            _add_flower(plant, float(node), turn, radius + 0.035, radius, random)
    return plant


def _nodes(states: Mapping[str, str], random: np.random.Generator) -> np.ndarray:
    fewest, most = {"alternate": (4, 7), "opposite": (3, 5), "whorled": (2, 4), "basal": (4, 6)}[
        states["leaf_arrangement"]
    ]
    last = 0.92 - _RACHIS.get(states["inflorescence"], 0.05)
    return np.linspace(0.14, last, int(random.integers(fewest, most)))


def _stem(form: str, length: float, num_nodes: int, random: np.random.Generator) -> Outline:
    place = np.linspace(0, 1, _NUM_STEPS)
    side = 1 if random.random() < 0.5 else -1
    lean, sway = random.normal(0, 0.06), random.normal(0, 0.12)
    heading = lean + sway * place
    if form == "arching":
        heading = heading + side * random.uniform(1.2, 1.6) * place**1.6
    elif form == "zigzag":
        turns = np.floor(place * 7) % 2
        heading = heading + side * random.uniform(0.42, 0.55) * (2 * turns - 1)
    steps = -1j * np.exp(1j * heading) * length / (_NUM_STEPS - 1)
    base = complex(0.37 - 0.1 * side * (form == "arching"), 0.83) + complex(*random.normal(0, 0.012, size=2))
    stem: Outline = base + np.concatenate([[0], np.cumsum(steps[1:])])
    return stem


def _add_leaves(plant: Plant, arrangement: str, nodes: np.ndarray, length: float, random: np.random.Generator) -> None:
    if arrangement == "basal":
        origin = plant.at(0.0)[0]
        turns = np.linspace(-1.5, 1.5, int(random.integers(5, 8))) + random.normal(0, 0.08)
        for turn in turns:
            span = -1j * np.exp(1j * turn) * length * random.uniform(0.88, 1.0)
            plant.leaves.append(Leaf(origin, span, random.normal(0, 0.2)))
        return
    side = 1 if random.random() < 0.5 else -1
    angles = {"alternate": (1.0,), "opposite": (1.05, -1.05), "whorled": (1.5, -1.5, 0.65, -0.65)}[arrangement]
    for order, node in enumerate(nodes):
        origin, ahead = plant.at(float(node))
        shrink = 1 - 0.35 * order / max(1, len(nodes) - 1)
        for angle in angles:
            turn = angle * (side if order % 2 else -side) * random.uniform(0.88, 1.1)
            size = length * shrink * random.uniform(0.9, 1.0)
            plant.leaves.append(Leaf(origin, ahead * np.exp(1j * turn) * size, random.normal(0, 0.2)))


def _add_scapes(plant: Plant, radius: float, random: np.random.Generator) -> None:
    """Let flowers rise from the axils of a rosette."""
    height = float(np.abs(np.diff(plant.stem)).sum())
    for turn in np.linspace(-0.6, 0.6, 3):
        _add_flower(plant, 0.0, turn + random.normal(0, 0.05), 0.5 * height, radius, random)
    _add_flower(plant, 1.0, 0.0, 0.0, radius, random)


def _add_inflorescence(plant: Plant, kind: str, radius: float, random: np.random.Generator) -> None:
    if kind == "umbel":
        for turn in np.linspace(-1.35, 1.35, int(random.integers(6, 8))):
            _add_flower(plant, 0.97, turn, 0.065 + radius, radius, random)
        return
    if kind == "panicle":
        for order, place in enumerate(np.linspace(0.58, 0.9, 4)):
            turn, reach = (0.9 if order % 2 else -0.9), 0.13 - 0.02 * order
            _add_flower(plant, float(place), turn, reach, radius, random)
            _add_flower(plant, float(place), 1.25 * turn, 0.45 * reach, radius, random)
    elif kind == "raceme":
        _add_row(plant, np.linspace(0.58, 0.94, int(random.integers(5, 8))), radius + 0.03, radius, random)
    elif kind == "spike":
        _add_row(plant, np.linspace(0.63, 0.96, int(random.integers(7, 10))), 0.55 * radius, radius, random)
    _add_flower(plant, 1.0, 0.0, 0.0, radius, random)


def _add_row(plant: Plant, places: np.ndarray, reach: float, radius: float, random: np.random.Generator) -> None:
    for order, place in enumerate(places):
        _add_flower(plant, float(place), 1.0 if order % 2 else -1.0, reach, radius, random)


def _add_flower(
    plant: Plant, place: float, turn: float, reach: float, radius: float, random: np.random.Generator
) -> None:
    origin, ahead = plant.at(place)
    centre = origin + ahead * np.exp(1j * (turn + random.normal(0, 0.06))) * reach
    if reach:
        plant.stalks.append(np.array([origin, centre]))
    plant.flowers.append(
        Flower(complex(centre), radius * random.uniform(0.92, 1.0), random.uniform(0, 6.28), random.uniform(0.72, 1.0))
    )
