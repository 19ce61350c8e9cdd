"""The French gold set itself: characters are of the vocabulary, and enough of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipbio.traits import PROPERTIES

GOLD = yaml.safe_load((Path(__file__).parent / "gold" / "french.yaml").read_text("utf-8"))
SENTENCES: list[dict[str, Any]] = [*GOLD["known"], *GOLD["held_out"]]


def test_there_are_enough_sentences_of_each_group() -> None:
    assert len(SENTENCES) >= 40
    assert {sentence["group"] for sentence in SENTENCES} == {"plants", "insects", "birds"}
    assert sum(len(sentence["traits"]) for sentence in SENTENCES) >= 150
    assert len({sentence["text"] for sentence in SENTENCES}) == len(SENTENCES)


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence["text"][:30])
def test_traits_have_a_property_and_a_value(sentence: dict[str, Any]) -> None:
    for trait in sentence["traits"]:
        character, equals, value = trait.partition(" = ")
        assert equals
        assert value
        assert character.split()[-1] in PROPERTIES
