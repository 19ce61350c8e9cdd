"""The same words with other states of the character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.traits import alternatives, captions, extract


@pytest.mark.parametrize(
    ("text", "among", "not_among"),
    [
        ("leaves ovate", "leaves linear", "leaves ovate"),
        ("dark green leaves", "red leaves", "green leaves"),
        ("fruit a berry", "fruit a capsule", "fruit a taproot"),
        ("flowers in racemes", "flowers in umbels", "flowers in umbel"),
        ("stem erect", "stem prostrate", "stem shrub"),
        ("forewings with black spots", "forewings with black bands", "forewings with black banded"),
        ("breast streaked", "breast barred", "breast bars"),
    ],
)
def test_states_of_the_same_character_and_kind_stand_in_place(text, among, not_among):
    found = alternatives(text)
    assert among in found
    assert not_among not in found
    assert text not in found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("text", ["petals five", "leaves not ovate", "leaves 3-5 cm long", "a bird on a branch", ""])
def test_numbers_denials_and_other_words_have_none(text):
    assert alternatives(text) == ()


def test_each_state_told_changes_by_itself():
    found = alternatives("red flowers, ovate leaves")
    assert "blue flowers, ovate leaves" in found
    assert "red flowers, linear leaves" in found
    assert "blue flowers, linear leaves" not in found


def test_so_many_are_spread_over_all():
    every = alternatives("leaves ovate")
    some = alternatives("leaves ovate", most=5)
    assert len(every) > 20
    assert 3 <= len(some) <= 5
    assert set(some) < set(every)
    assert every.index(some[-1]) > len(every) / 2
    assert alternatives("leaves ovate", most=1000) == every


def test_other_languages_have_their_own_words():
    found = alternatives("fleurs rouges", language="fr")
    assert "fleurs bleu" in found
    with pytest.raises(ClipbioError, match="no vocabulary of language"):
        alternatives("flores rojas", language="es")


@given(st.sampled_from(["red", "blue", "pale yellow", "dark green"]), st.sampled_from(["leaf", "flower", "stem"]))
def test_another_state_says_something_else_of_the_same_character(state, organ):
    character = f"{organ} colour"
    for text in captions(character, state):
        told = {(one.character, one.value) for one in extract(text)}
        for other in alternatives(text):
            said = {(one.character, one.value) for one in extract(other)}
            assert {one for one, _ in said} == {one for one, _ in told}
            assert said != told
