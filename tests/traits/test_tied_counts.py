"""Words that a hyphen ties to a number: they say what is counted."""

from typing import get_args

import pytest

from clipbio.traits import Group, extract
from clipbio.traits.nouns import MARKINGS, REGIONS
from clipbio.traits.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("text", "group", "language", "told"),
    [
        ("Leaves 5–7-lobed, 3-veined.", "plants", "en", {("leaf lobe count", "5-7"), ("leaf vein count", "3")}),
        ("Flowers 5-merous.", "plants", "en", {("petal count", "5")}),
        ("Leaves 3-foliolate.", "plants", "en", {("leaflet count", "3")}),
        ("Five-petalled flowers.", "plants", "en", {("petal count", "5")}),
        ("Six-spotted wings.", "insects", "en", {("wing pattern", "spot"), ("wing spot count", "6")}),
        ("Feuilles 3-5-lobées.", "plants", "fr", {("leaf lobe count", "3-5")}),
        ("Fleurs 5-mères.", "plants", "fr", {("petal count", "5")}),
        ("Leaves 3-gadgeted.", "plants", "en", set()),
    ],
)
def test_what_is_counted(text: str, group: Group, language: str, told: set[tuple[str, str]]) -> None:
    traits = extract(text, group=group, language=language)
    assert {(one.character, one.value) for one in traits} == told
    assert all(text[one.start : one.end] == one.phrase for one in traits)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("group", get_args(Group))
def test_counted_parts_are_known(group: Group, language: str) -> None:
    parts = {entry.part for entry in vocabulary(group, language).tied.values() if not entry.organ}
    assert parts <= MARKINGS | REGIONS
