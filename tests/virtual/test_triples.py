import pytest

from clipbio.errors import ClipbioError
from clipbio.traits import PROPERTIES
from clipbio.virtual.characters import CHARACTERS, MEASURES
from clipbio.virtual.triples import Triple, claimed, trait_character, triples

NAMES = [*(character.name for character in CHARACTERS), *(measure.name for measure in MEASURES)]


def test_every_virtual_character_is_a_trait_character():
    characters = [trait_character(name) for name in NAMES]
    assert len(set(characters)) == len(NAMES)
    assert {trait_character("leaf_division"), trait_character("centre_colour")} == {
        "leaf structure",
        "flower centre colour",
    }


@pytest.mark.parametrize("character", CHARACTERS, ids=lambda character: character.name)
def test_states_stay_apart_as_triples(character):
    found = [triples(character.name, state)[0] for state in character.states]
    assert len(set(found)) == len(character.states)
    assert {triple.character for triple in found} == {trait_character(character.name)}
    assert {triple.property for triple in found} <= set(PROPERTIES)


def test_shades_and_markings():
    assert triples("leaf_colour", "dark green") == (Triple("leaf", "colour", "green", shade="dark"),)
    spots, cream = triples("leaf_pattern", "spotted")
    assert (spots.character, spots.value) == ("leaf pattern", "spot")
    assert (cream.character, cream.value) == ("leaf spot colour", "cream")


def test_claims_of_descriptions_are_triples(herbarium):
    claims = [claim for one in herbarium.species for text in herbarium.describe(one) for claim in text.claims]
    assert len({claimed(claim.character, claim.value)[0].character for claim in claims}) == len(NAMES)
    assert claimed("leaf_length_cm", "3.5–5 cm") == (Triple("leaf", "length", "35-50 mm", low=35, high=50),)


def test_an_unknown_character_is_told():
    with pytest.raises(ClipbioError, match="did you mean 'petal_shape'"):
        trait_character("petal_shapes")
