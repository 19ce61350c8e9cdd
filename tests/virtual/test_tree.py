from itertools import combinations

import numpy as np
import pytest

from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon
from clipbio.virtual.characters import CHARACTERS, MEASURES, PROMINENT
from clipbio.virtual.tree import MIN_DIFFERENCES, grow
from clipbio.virtual.vocabulary import VOCABULARY


@pytest.fixture(scope="module")
def flora():
    return grow(160, seed=3)


def table(flora):
    return np.array([[species.states[character.name] for character in CHARACTERS] for species in flora])


def test_every_state_is_valid_and_has_words(flora):
    for character in CHARACTERS:
        assert set(VOCABULARY[character.name]) == set(character.states)
        assert {species.states[character.name] for species in flora} <= set(character.states)


def test_every_character_varies(flora):
    states = table(flora)
    assert all(len(set(column)) >= 2 for column in states.T)


def test_any_two_species_differ_visibly(flora):
    states = table(flora)[:, PROMINENT]
    fewest = min((a != b).sum() for a, b in combinations(states, 2))
    assert fewest >= MIN_DIFFERENCES


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sisters_share_more_characters_than_strangers(seed):
    flora = grow(120, seed=seed)
    states = table(flora)
    shared = {"genus": [], "family": [], "other": []}
    for one, other in combinations(range(len(flora)), 2):
        ranks = flora[one].ranks, flora[other].ranks
        kinship = "genus" if ranks[0][5] == ranks[1][5] else "family" if ranks[0][4] == ranks[1][4] else "other"
        shared[kinship].append((states[one] == states[other]).mean())
    genus, family, other = (np.mean(shared[kinship]) for kinship in ("genus", "family", "other"))
    assert genus > family + 0.05
    assert family > other + 0.05


def test_sizes_are_closer_within_a_genus(flora):
    sizes = np.log([[species.means[measure.name] for measure in MEASURES] for species in flora])
    sizes = (sizes - sizes.mean(axis=0)) / sizes.std(axis=0)
    genera = np.array([species.ranks[5] for species in flora])
    apart = np.abs(sizes[:, None] - sizes[None]).mean(axis=-1)
    same = (genera[:, None] == genera[None]) & ~np.eye(len(flora), dtype=bool)
    assert apart[same].mean() < 0.8 * apart[~same].mean()


def test_sizes_stay_within_their_bounds(flora):
    for measure in MEASURES:
        means = [species.means[measure.name] for species in flora]
        smallest = 0.6 if measure.name == "flower_diameter_mm" else 1.0
        assert min(means) >= smallest * measure.low - 1e-9
        assert max(means) <= measure.high + 1e-9


def test_the_tree_is_a_tree(flora):
    for depth in range(1, len(RANKS)):
        parents = {}
        for species in flora:
            assert parents.setdefault(species.ranks[depth], species.ranks[:depth]) == species.ranks[:depth]
    genera = {species.ranks[5] for species in flora}
    families = {species.ranks[4] for species in flora}
    assert len(flora) > len(genera) > len(families) > 3


def test_names_are_unique_and_clean(flora):
    assert len({species.scientific_name for species in flora}) == len(flora)
    assert len({species.common_name for species in flora}) == len(flora)
    for species in flora:
        assert Taxon.from_mapping(dict(zip(RANKS, species.ranks, strict=True))).ranks == species.ranks
        assert clean_phrase(species.common_name) == species.common_name


def test_names_do_not_tell_the_morphology(flora):
    words = {
        word
        for states in VOCABULARY.values()
        for phrases in states.values()
        for phrase in phrases
        for word in phrase.lower().replace("-", " ").split()
        if len(word) > 3
    }
    for species in flora:
        name = f"{species.scientific_name} {species.common_name}".lower()
        assert not [word for word in words if word in name]


def test_the_same_seed_grows_the_same_flora(flora):
    assert grow(160, seed=3) == flora
    assert grow(160, seed=4) != flora


def test_a_larger_flora_begins_with_the_smaller_one(flora):
    assert grow(100, seed=3)[:95] == flora[:95]
