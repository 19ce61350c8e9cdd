"""The language of a description, told by its words."""

import pytest

from clipbio.traits import language_code, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Leaves ovate, green.", "en"),
        ("Petals 5, white; fruit a capsule.", "en"),
        ("Feuilles ovales, vertes.", "fr"),
        ("Fleurs blanches; fruit rouge.", "fr"),
        ("Ailes brunes, bord noir.", "fr"),
        ("Bec noir, pattes jaunes.", "fr"),
        ("Bill black, legs yellow.", "en"),
        ("A naïve reader would call the wings brown.", "en"),
        ("", "en"),
        ("12-14 mm", "en"),
    ],
)
def test_organs_and_small_words_tell_the_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_names_and_codes_of_languages_are_known() -> None:
    told = ("en-GB", "Français", "fra", "English", "de", "none", "")
    assert [language_code(one) for one in told] == ["en", "fr", "fr", "en", "de", "none", ""]
