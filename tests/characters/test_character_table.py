"""Characters and states out of what is stated of species."""

import pytest
from character_worlds import COLUMNS, Plant

from clipbio.characters.known import known_species
from clipbio.characters.statements import Statement, described, recorded
from clipbio.characters.table import CharacterTable, slug
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon
from clipbio.traits import Trait


def of(*pairs: tuple[str, str], numbers: tuple[tuple[str, float], ...] = ()) -> tuple[Statement, ...]:
    measured = (Statement(name, f"{number:g} mm", number) for name, number in numbers)
    return (*(Statement(name, state) for name, state in pairs), *measured)


def test_states_that_few_species_have_and_characters_with_one_state_are_left_out() -> None:
    shapes = ["ovate"] * 3 + ["linear"] * 2 + ["cordate"]
    species = [of(("leaf shape", shape), ("leaf surface", "hairy"), ("bark colour", shape)) for shape in shapes]
    species.append(of(("leaf shape", "ovate"), ("leaf shape", "linear")))
    table = CharacterTable.build(species, min_species=2)
    assert [one.name for one in table.characters] == ["leaf shape", "bark colour"]
    assert table["leaf shape"].states == ("ovate", "linear")
    assert table["leaf shape"].species == (4, 3)
    assert "two states" in table.left_out["leaf surface"]


def test_what_is_told_keeps_all_states_of_a_species_and_those_the_table_does_not_know() -> None:
    table = CharacterTable.build([of(("petal count", n)) for n in "334455"], min_species=2)
    told = table.told(of(("petal count", "3"), ("petal count", "7"), ("root type", "bulb")))
    assert told == {"petal count": frozenset({"3", "7"})}


def test_measures_are_left_out_or_parted_into_ranges() -> None:
    species = [of(("leaf shape", "ab"[n % 2]), numbers=(("leaf length", float(10 + n)),)) for n in range(12)]
    without = CharacterTable.build(species, min_species=3)
    assert "measure" in without.left_out["leaf length"]
    length = CharacterTable.build(species, min_species=3, bins=3)["leaf length"]
    assert length.states == ("10-14 mm", "14-17 mm", "17-21 mm")
    assert sum(length.species) == 12
    assert [length.state_of(Statement("leaf length", "", number)) for number in (3.0, 13.9, 14.0, 99.0)] == [
        *("10-14 mm", "10-14 mm", "14-17 mm", "17-21 mm")
    ]


def test_measures_that_are_alike_and_those_of_few_species_are_told() -> None:
    alike = [of(("a", "xy"[n % 2]), numbers=(("leaf length", 10.0), ("wingspan", n)) if n < 3 else (("leaf length", 10.0),)) for n in range(12)]  # fmt: skip
    table = CharacterTable.build(alike, min_species=3, bins=3)
    assert "alike" in table.left_out["leaf length"]
    assert "too few" in table.left_out["wingspan"]


def test_states_of_long_measures_are_written_in_full() -> None:
    species = [of(numbers=(("wing length", length),)) for length in (104.0, 120.0, 160.0, 190.0, 210.0, 235.0)]
    wing = CharacterTable.build(species, min_species=2, bins=3)["wing length"]
    assert wing.states == ("100-150 mm", "150-200 mm", "200-240 mm")


def test_a_table_without_characters_is_refused() -> None:
    with pytest.raises(ClipbioError, match="no character is left: of 2 species"):
        CharacterTable.build([of(("leaf shape", "ovate")), ()], min_species=1)


def test_a_measure_is_the_middle_of_its_range() -> None:
    trait = Trait(organ="leaf", property="length", value="20-40 mm", phrase="2-4 cm", start=0, end=6, low=20, high=40)
    assert Statement.of(trait) == Statement("leaf length", "20-40 mm", 30.0)
    count = Trait(organ="petal", property="count", value="5", phrase="five", start=0, end=4, low=5, high=5)
    assert Statement.of(count) == Statement("petal count", "5")


def test_columns_tell_states_by_their_mapping() -> None:
    plant = Plant(Taxon(), {"flower": ["red", "white"], "leaf": "ovate", "hidden": None, "other": 1})
    assert recorded(plant, COLUMNS) == of(("flower colour", "red"), ("flower colour", "white"), ("leaf shape", "ovate"))
    counted = Plant(Taxon(), {"flower": 5.0, "leaf": float("nan")})
    assert recorded(counted, COLUMNS) == of(("flower colour", "5"))
    with pytest.raises(ClipbioError, match="columns=virtuel: give virtual"):
        recorded(plant, "virtuel")


def test_the_virtual_herbarium_tells_traits() -> None:
    plant = Plant(Taxon(), {"leaf_division": "pinnate", "leaf_colour": "dark green", "leaf_length_cm": 4.5})
    assert set(recorded(plant, "virtual")) == {
        *of(("leaf structure", "pinnate"), ("leaf colour", "green"), numbers=(("leaf length", 45.0),))
    }


def test_specimens_of_a_species_are_taken_together() -> None:
    taxon = Taxon(genus="Rosa", species="alba")
    plants = [Plant(taxon, {"flower": "red"}), Plant(taxon, {"flower": "white"}), Plant(Taxon(), {"flower": "blue"})]
    assert known_species(plants, {"flower": "flower colour"}) == [
        of(("flower colour", "red"), ("flower colour", "white"))
    ]


def test_descriptions_tell_traits_of_all_texts_once() -> None:
    stated = described(Taxon(kingdom="Plantae"), ["Leaves ovate, alternate.", "Leaves ovate. Flowers red."])
    assert set(of(("leaf shape", "ovate"), ("leaf arrangement", "alternate"), ("flower colour", "red"))) <= set(stated)
    assert len(stated) == len(set(stated))


def test_slugs() -> None:
    assert slug("forewing spot colour") == "forewing_spot_colour"
