import pytest

from clipbio.errors import ClipbioError
from clipbio.traits.inflection import plural, possessing
from clipbio.traits.trait import PROPERTIES
from clipbio.traits.vocabulary import read_vocabulary, vocabulary
from clipbio.virtual.vocabulary import VOCABULARY


@pytest.mark.parametrize("group", ["plants", "insects", "birds", None])
def test_shipped_vocabularies_hold_what_is_needed(group):
    words = vocabulary(group)
    kinds = {entry.kind for entry in words.entries.values()}
    assert kinds >= {"part", "marking", "state", "with", "have", "be", "preposition", "without", "sex", "side"}
    assert {entry.property for entry in words.entries.values()} <= {*PROPERTIES, "", "build"}
    assert ("organ" in kinds) == (group is not None)
    assert set(words.shades.values()) == {"dark", "pale", "bright"}


def test_it_is_read_once():
    assert vocabulary("plants") is vocabulary("plants")


def test_words_of_the_virtual_flora_are_known():
    known = vocabulary("plants").entries
    for character in ("leaf_arrangement", "leaf_shape", "leaf_margin", "leaf_venation", "petal_shape", "stem_form"):
        for state, phrases in VOCABULARY[character].items():
            for phrase in phrases:
                assert known[tuple(phrase.replace("-", " ").split())].value == state, phrase


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"organ": {}}, "vocabulary mine: unknown section 'organ'; did you mean 'organs'"),
        ({"states": {"shpae": {}}}, "unknown property 'shpae'; did you mean 'shape'"),
        ({"organs": {"leaf": "blade"}}, "organs: leaf: it must be a list of words"),
        ({"organs": ["leaf"]}, "organs: it must hold canonical words"),
        ({"organs": {"leaf": [True]}}, "in YAML, yes, no and on need quotes"),
        ({"organs": {True: []}}, "'True' must be a word"),
        ({"organs": {"leaf": ["blade"], "wing": ["blade"]}}, "'blade' is both organ leaf and organ wing"),
        ({"hue_words": ["mauve"]}, "'mauve' is no word of a colour in hues"),
    ],
)
def test_mistakes_are_told(table, message):
    with pytest.raises(ClipbioError, match=message):
        read_vocabulary({"mine": table})


@pytest.mark.parametrize(
    ("noun", "several"),
    [("wing", "wings"), ("patch", "patches"), ("berry", "berries"), ("eye", "eyes"), ("wing bar", "wing bars")],
)
def test_plurals(noun, several):
    assert plural(noun) == several


@pytest.mark.parametrize(
    ("noun", "form"),
    [("eye", "eyed"), ("belly", "bellied"), ("leg", "legged"), ("tail", "tailed"), ("petal", "petaled")],
)
def test_adjectives_of_body_parts(noun, form):
    assert form in possessing(noun)
