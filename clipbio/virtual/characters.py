"""The morphological characters of the virtual flora: their states, how fast they evolve, how sizes vary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CHARACTERS", "MEASURES", "PROMINENT", "Character", "Measure", "state_of"]


@dataclass(frozen=True, slots=True)
class Character:
    """A discrete character; `rate` is the expected number of jumps per unit of branch length."""

    name: str
    states: tuple[str, ...]
    rate: float
    weights: tuple[float, ...] = ()
    prominent: bool = True

    def draw(self, random: np.random.Generator) -> int:
        """Draw a state from the stationary distribution."""
        if not self.weights:
            return int(random.integers(len(self.states)))
        shares = np.asarray(self.weights)
        return int(random.choice(len(self.states), p=shares / shares.sum()))


@dataclass(frozen=True, slots=True)
class Measure:
    """A continuous character: the logarithm of its species mean does Brownian motion between `low` and `high`.

    `spread` is how far a specimen may lie from the mean of its species, as a share of it.
    """

    name: str
    low: float
    high: float
    rate: float
    spread: float

    def bounds(self, mean: float) -> tuple[float, float]:
        """Return the smallest and the largest value of a species with this mean."""
        return mean * (1 - self.spread), mean * (1 + self.spread)


_SLOW, _MEDIUM, _FAST = 0.5, 0.9, 1.6

CHARACTERS = (
    Character("leaf_arrangement", ("alternate", "opposite", "whorled", "basal"), _SLOW, (4, 3, 1.5, 1.5)),
    Character(
        "leaf_division",
        ("simple", "pinnately lobed", "palmately lobed", "pinnate", "trifoliolate", "palmate"),
        _MEDIUM,
        (5, 1.5, 1.5, 2, 1.5, 1.5),
    ),
    Character(
        "leaf_shape",
        ("linear", "lanceolate", "elliptic", "ovate", "obovate", "orbicular", "cordate", "sagittate"),
        _MEDIUM,
    ),
    Character("leaf_margin", ("entire", "serrate", "crenate"), _MEDIUM, (2, 1.5, 1)),
    Character("leaf_venation", ("pinnate", "parallel", "palmate"), _SLOW, (3, 1, 1), prominent=False),
    Character("leaf_colour", ("dark green", "yellow-green", "blue-green", "purple"), _FAST, (2, 2, 2, 1)),
    Character("leaf_pattern", ("plain", "spotted", "margined"), _MEDIUM, (4, 1, 1)),
    Character("indumentum", ("glabrous", "hairy"), _FAST, (2, 1), prominent=False),
    Character("stem_form", ("erect", "arching", "zigzag"), _MEDIUM),
    Character("stem_colour", ("green", "red", "brown"), _FAST, prominent=False),
    Character("inflorescence", ("solitary", "axillary", "raceme", "spike", "umbel", "panicle"), _SLOW),
    Character("petal_number", ("3", "4", "5", "6", "8"), _SLOW, (2, 2, 3, 2, 2)),
    Character("petal_shape", ("rounded", "pointed", "notched", "strap-shaped"), _MEDIUM),
    Character("flower_colour", ("white", "yellow", "orange", "red", "pink", "violet", "blue"), _FAST),
    Character("centre_colour", ("yellow", "black", "white", "green"), _MEDIUM),
    Character("fruit_type", ("berry", "capsule", "pod", "samara", "bur"), _SLOW),
    Character("fruit_colour", ("red", "orange", "black", "brown", "green", "blue"), _FAST),
    Character("root", ("fibrous", "taproot", "bulb", "rhizome"), _SLOW),
)

MEASURES = (
    Measure("stem_length_cm", 10.0, 14.2, 0.25, 0.12),
    Measure("leaf_length_cm", 3.8, 6.2, 0.3, 0.16),
    Measure("flower_diameter_mm", 16.0, 34.0, 0.4, 0.14),
    Measure("fruit_length_mm", 18.0, 32.0, 0.35, 0.14),
)

PROMINENT = np.array([character.prominent for character in CHARACTERS])

_INDEX = {character.name: index for index, character in enumerate(CHARACTERS)}


def state_of(states: np.ndarray, name: str) -> str:
    """Return the word for the state of the character `name` in a row of state numbers."""
    index = _INDEX[name]
    return CHARACTERS[index].states[int(states[index])]
