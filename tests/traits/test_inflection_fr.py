"""French word forms, and the vocabularies made of them."""

from importlib.resources import files
from typing import get_args

import pytest
import yaml

from clipbio.traits import Group
from clipbio.traits.inflection_fr import adjective_forms, noun_forms, spellings
from clipbio.traits.spelling import folded
from clipbio.traits.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("adjective", "forms"),
    [
        ("ovale", ["ovale", "ovales"]),
        ("denté", ["denté", "dentée", "dentés", "dentées"]),
        ("entier", ["entier", "entière", "entiers", "entières"]),
        ("laineux", ["laineux", "laineuse", "laineuses"]),
        ("violet", ["violet", "violette", "violets", "violettes"]),
        ("moyen", ["moyen", "moyenne", "moyens", "moyennes"]),
        ("basal", ["basal", "basale", "basaux", "basales"]),
        ("gris", ["gris", "grise", "grises"]),
        ("long", ["long", "longue", "longs", "longues"]),
        ("denté en scie", ["denté en scie", "dentée en scie", "dentés en scie", "dentées en scie"]),
        ("finement denté", ["finement denté", "finement dentée", "finement dentés", "finement dentées"]),
        ("composé penné", ["composé penné", "composée pennée", "composés pennés", "composées pennées"]),
        ("en cœur", ["en cœur"]),
    ],
)
def test_adjectives_take_gender_and_number(adjective: str, forms: list[str]) -> None:
    assert list(adjective_forms(adjective)) == forms


def test_forms_say_with_what_they_agree() -> None:
    assert adjective_forms("gris") == {"gris": {"ms", "mp"}, "grise": {"fs"}, "grises": {"fp"}}
    assert noun_forms("tige", feminine=True) == {"tige": {"fs"}, "tiges": {"fp"}}
    assert noun_forms("noix", feminine=True) == {"noix": {"fs", "fp"}}
    assert list(noun_forms("rameau")) == ["rameau", "rameaux"]
    assert list(noun_forms("centre de la fleur")) == ["centre de la fleur", "centres de la fleur"]


def test_accents_may_be_missing() -> None:
    assert spellings(["étamine", "œil", "tige"]) == ["étamine", "œil", "tige", "etamine", "oeil"]


@pytest.mark.parametrize("group", get_args(Group))
def test_the_vocabulary_of_a_group_is_french(group: Group) -> None:
    words = vocabulary(group, "fr")
    assert words.language == "fr"
    assert words.colours[("verdâtres",)] == words.colours[("verdatre",)] == "green"
    assert words.entries[("base",)].kind == "part"
    # Canonical words are English: they are no phrases of a French text.
    assert ("rounded",) not in words.entries
    assert words.entries[("large",)].value == "broad"


def test_nouns_win_over_adjectives_without_their_accent() -> None:
    words = vocabulary("plants", "fr")
    assert words.entries[("lobes",)].kind == "part"
    assert words.entries[("lobés",)].value == "lobed"


def test_gender_and_number_of_nouns() -> None:
    words = vocabulary("plants", "fr")
    assert words.forms[("feuilles",)] == {"fp"}
    assert words.forms[("fruit",)] == {"ms"}
    assert words.forms[("ovales",)] == {"mp", "fp"}


@pytest.mark.parametrize("name", ["common", *get_args(Group)])
def test_nouns_said_to_be_feminine_are_nouns_of_the_vocabulary(name: str) -> None:
    table = yaml.safe_load(files("clipbio.traits").joinpath("vocabularies", f"{name}.fr.yaml").read_text("utf-8"))
    entries = vocabulary(None if name == "common" else name, "fr").entries
    kinds = {"organ", "part", "marking", "mass", "kind", "whole", "side_noun"}
    assert [noun for noun in table["feminine"] if entries[folded(noun)].kind not in kinds] == []
