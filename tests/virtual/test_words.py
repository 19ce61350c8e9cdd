import re
from functools import lru_cache

import pytest

from clipbio.virtual.characters import CHARACTERS
from clipbio.virtual.vocabulary import FRUIT_PLURALS, VOCABULARY

# What each kind of sentence may speak of, told by its first noun.
TOPICS = {
    "leaves": [character.name for character in CHARACTERS if character.name.startswith("leaf_")],
    "flowers": ["flower_colour", "centre_colour", "petal_number", "petal_shape", "inflorescence"],
    "fruit": ["fruit_type", "fruit_colour"],
    "stem": ["stem_form", "stem_colour", "indumentum"],
    "root": ["root"],
}
PLURALS = {plural: singular for singular, plural in FRUIT_PLURALS.items()}


def sentences(text):
    return re.split(r"(?<=[a-z]\.) ", text)


def topic(sentence):
    opening = " ".join(sentence.lower().split()[:2])
    return next((name for name in ("leaves", "flowers", "fruit", "stem") if name in opening), "root")


@lru_cache
def phrases(topic_name):
    """List the phrases a sentence may hold, the longest first, and what each may mean."""
    meanings = {}
    for character in TOPICS[topic_name]:
        for state, synonyms in VOCABULARY[character].items():
            for phrase in synonyms:
                meanings.setdefault(phrase, []).append((character, state))
    return sorted(meanings.items(), key=lambda item: -len(item[0]))


def read(sentence):
    """Find what a sentence says, as a reader without knowledge of the species would."""
    candidates = phrases(topic(sentence))
    sentence = re.sub(r"[\d.]+–[\d.]+ [cm]m", "#", sentence)
    for plural, singular in PLURALS.items():
        sentence = re.sub(rf"\b{plural}\b", singular, sentence)
    found = []
    for phrase, meanings in candidates:
        sentence, count = re.subn(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", "#", sentence)
        if count:
            found.append(meanings)
    return found


@pytest.fixture(scope="module")
def written(herbarium):
    return [(species, text) for species in herbarium.species for text in herbarium.describe(species)]


def test_a_reader_finds_only_true_states(written):
    read_states = 0
    for species, description in written:
        for sentence in sentences(description.text):
            for meanings in read(sentence):
                assert any(species.states[name] == state for name, state in meanings), sentence
                read_states += 1
    assert read_states > 8 * len(written)


def test_claims_are_true_and_stand_in_the_text(written):
    for species, description in written:
        for claim in description.claims:
            assert claim.phrase in description.text or FRUIT_PLURALS.get(claim.phrase, "#") in description.text
            if claim.character in species.states:
                assert species.states[claim.character] == claim.value


def test_every_character_is_mentioned_somewhere(written):
    claimed = {claim.character for _, description in written for claim in description.claims}
    assert claimed >= {character.name for character in CHARACTERS}


def test_sizes_hold_for_every_specimen(herbarium):
    ranges = {}
    for species in herbarium.species:
        for description in herbarium.describe(species):
            for claim in description.claims:
                if claim.character not in species.states:
                    low, high = map(float, re.match(r"([\d.]+)–([\d.]+) [cm]m$", claim.phrase).groups())
                    assert low < species.means[claim.character] < high
                    ranges[species.index, claim.character] = low, high
    assert len(ranges) > 100
    for sheet in herbarium.sheets[:80]:
        truth = herbarium.draw(sheet).truth
        for name in ("stem_length_cm", "leaf_length_cm", "flower_diameter_mm", "fruit_length_mm"):
            low, high = ranges.get((sheet.species.index, name), (0, 1000))
            assert low <= truth[name] <= high


def test_descriptions_are_varied(herbarium, written):
    assert len({description.text for _, description in written}) == len(written)
    counts = [len(sentences(description.text)) for _, description in written]
    assert set(counts) == {2, 3, 4, 5}
    openings = {description.text.split()[0] for _, description in written}
    assert len(openings) >= 6


def test_no_name_stands_in_a_description(written):
    for species, description in written:
        for name in (*species.ranks[1:], species.common_name):
            assert name not in description.text
