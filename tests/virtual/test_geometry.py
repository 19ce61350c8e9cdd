from itertools import combinations, product

import numpy as np
import pytest

from clipbio.virtual.characters import CHARACTERS, Measure
from clipbio.virtual.geometry import bend, flower_plan, leaf_plan, spline
from clipbio.virtual.plant import SHEET_CM, pose

STATES = {character.name: character.states for character in CHARACTERS}
LEAF = ("leaf_shape", "leaf_margin", "leaf_division")
SIZES = {"stem_length_cm": 13.0, "leaf_length_cm": 5.0, "flower_diameter_mm": 20.0, "fruit_length_mm": 20.0}


@pytest.mark.parametrize("division", STATES["leaf_division"])
def test_every_leaf_is_finite_and_about_one_long(division):
    for shape, margin, venation in product(*(STATES[name] for name in ("leaf_shape", "leaf_margin", "leaf_venation"))):
        plan = leaf_plan(shape, margin, division, venation)
        assert np.isfinite(plan.points).all()
        assert 0.85 < plan.points.real.max() < 1.15
        assert np.abs(plan.points.imag).max() < 0.75


def test_leaf_kinds_have_different_outlines():
    pictures = []
    for kind in product(*(STATES[name] for name in LEAF)):
        plan = leaf_plan(*kind, "pinnate")
        outline = np.concatenate([plan.points[blade] for blade in plan.blades])
        pictures.append((len(plan.blades), outline))
    for (count, outline), (other_count, other) in combinations(pictures, 2):
        assert count != other_count or outline.shape != other.shape or np.abs(outline - other).max() > 0.01


@pytest.mark.parametrize("shape", STATES["petal_shape"])
def test_flowers_have_their_petals(shape):
    for number in (3, 4, 5, 6, 8):
        petals = flower_plan(number, shape)
        assert len(petals) == number
        tips = [petal[np.argmax(np.abs(petal))] for petal in petals]
        assert 0.95 < np.abs(tips).max() < 1.1


def test_a_spline_passes_through_its_points():
    points = np.array([0, 1 + 1j, 2, 3 - 1j])
    assert np.allclose(spline(points, 31)[::10], points)


def test_bending_keeps_the_base_and_the_length():
    path = np.linspace(0, 1, 5).astype(complex)
    bent = bend(path, 0.3)
    assert bent[0] == 0
    assert np.isclose(abs(bent[-1]), 1)
    assert bent[-1].imag > 0


@pytest.mark.parametrize("arrangement", STATES["leaf_arrangement"])
def test_a_plant_lies_on_its_sheet_at_the_measured_size(arrangement):
    for inflorescence, form, seed in product(STATES["inflorescence"], STATES["stem_form"], range(3)):
        states = {"leaf_arrangement": arrangement, "inflorescence": inflorescence, "stem_form": form}
        plant = pose(states, SIZES, np.random.default_rng(seed))
        tips = np.array([leaf.base + leaf.span for leaf in plant.leaves] + [flower.centre for flower in plant.flowers])
        inside = (tips.real > -0.03) & (tips.real < 0.9) & (tips.imag > 0) & (tips.imag < 0.97)
        assert inside.all()
        length = np.abs(np.diff(plant.stem)).sum() * SHEET_CM
        assert np.isclose(length, SIZES["stem_length_cm"], rtol=0.02)
        longest = max(abs(leaf.span) for leaf in plant.leaves) * SHEET_CM
        assert 0.85 * SIZES["leaf_length_cm"] < longest <= SIZES["leaf_length_cm"]


def test_arrangements_are_told_by_the_number_of_leaves_at_a_node():
    for arrangement, expected in {"alternate": 1, "opposite": 2, "whorled": 4}.items():
        states = {"leaf_arrangement": arrangement, "inflorescence": "solitary", "stem_form": "erect"}
        plant = pose(states, SIZES, np.random.default_rng(0))
        nodes = {}
        for leaf in plant.leaves:
            nodes.setdefault(leaf.base, []).append(leaf)
        assert {len(leaves) for leaves in nodes.values()} == {expected}


def test_a_measure_is_bounded_by_its_spread():
    assert Measure("x_cm", 1, 2, 0.1, 0.25).bounds(4.0) == (3.0, 5.0)
