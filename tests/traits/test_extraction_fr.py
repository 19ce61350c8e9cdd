"""Traits out of French descriptions: against the gold set, and rule by rule."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.traits import extract
from clipbio.traits.agreement import Agreement, Assertion, agreement

GOLD = yaml.safe_load((Path(__file__).parent / "gold" / "french.yaml").read_text("utf-8"))
WORDS = [
    "feuilles",
    "bord",
    "taches",
    "blanches",
    "dentée",
    "à",
    "à",
    "la",
    "au",
    "de",
    "des",
    "d'un",
    "et",
    ",",
    ";",
    ".",
    "(",
    ")",
    "ou",
    "sans",
    "avec",
    "est",
    "non",
    "5",
    "3-5",
    "cm",
    "vert",
    "foncé",
    "en",
    "dessus",
    "face",
    "inférieure",
    "mâle",
    "jeune",
    "plus",
    "que",
    "rayé",
    "l'apex",
    "ailes",
    "tige",
    "inconnu",
    "jusqu'à",
    "haut",
]


def told(text, group="plants"):
    """What a text says, `character = value`, with a `not` before what it denies."""
    traits = extract(text, group=group, language="fr")
    assert all(text[one.start : one.end] == one.phrase for one in traits)
    assert all(-1 <= one.organ_start <= one.organ_end <= len(text) for one in traits)
    return {f"{'not ' if one.negated else ''}{one.character} = {one.value}" for one in traits}


def assertions(traits):
    return [Assertion((character,), value) for character, _, value in (trait.partition(" = ") for trait in traits)]


def score(part: str) -> Agreement:
    found = agreement(
        (assertions(told(sentence["text"], sentence["group"])), assertions(sentence["traits"]))
        for sentence in GOLD[part]
    )
    return found[""]


def test_the_known_sentences_are_read():
    assert min(score("known").precision, score("known").recall) >= 0.98


def test_sentences_that_were_not_looked_at_are_read():
    assert score("held_out").precision >= 0.88
    assert score("held_out").recall >= 0.86


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        # What agrees in gender and number belongs together, across a comma.
        ("Plante à feuilles ovales, dentées.", {"leaf shape = ovate", "leaf margin = dentate"}),
        ("Feuilles à bord denté, velues.", {"leaf margin = dentate", "leaf surface = hairy"}),
        (
            "Calice à 5 lobes ovales, aigus.",
            {"calyx lobe count = 5", "calyx lobe shape = ovate", "calyx lobe shape = pointed"},
        ),
        ("Tige à poils blancs, dressée.", {"hair colour = white", "stem form = erect"}),
        ("Feuilles rougeâtres à la base, glabres.", {"leaf base colour = red", "leaf surface = glabrous"}),
        # Several nouns before one adjective.
        ("Tiges et feuilles glabres.", {"stem surface = glabrous", "leaf surface = glabrous"}),
        ("Sépale et pétale blancs.", {"sepal colour = white", "petal colour = white"}),
        # Unknown words.
        ("Feuilles persistantes, coriaces.", {"leaf surface = leathery"}),
        ("Feuilles à alvéoles noires.", set()),
        ("Akènes surmontés d'une aigrette blanche.", {"fruit type = achene"}),
        # Colours.
        ("Fleurs jaune verdâtre.", {"flower colour = green-yellow"}),
        ("Fleurs bleu-violet.", {"flower colour = violet-blue"}),
        ("Fleurs d'un rouge vif.", {"flower colour = red"}),
        ("Fruit bleu noirâtre.", {"fruit colour = blue"}),
        ("Fleurs blanches ou roses.", {"flower colour = white", "flower colour = pink"}),
        # Sides, negation, comparison.
        ("Feuilles ni dentées ni lobées.", {"not leaf margin = dentate", "not leaf margin = lobed"}),
        ("Feuilles non dentées.", {"not leaf margin = dentate"}),
        ("Pétales plus longs que les sépales.", set()),
        # Accents may be missing, capitals and typographic apostrophes stand anywhere.
        ("Etamines 10, a antheres jaunes", {"stamen count = 10", "anther colour = yellow"}),
        ("ÉTAMINES jaunes; fleurs d’un bleu pâle.", {"stamen colour = yellow", "flower colour = blue"}),
        ("Petales denteles.", {"petal margin = serrate"}),
        # About something else.
        ("Habitat : prairies à fleurs jaunes.", set()),
    ],
)
def test_the_rules_of_french(text, traits):
    assert told(text) == traits


def test_shades_and_sides():
    green, white, hairy = extract("Feuilles vert foncé en dessus, blanches et velues en dessous.", group="plants", language="fr")  # fmt: skip
    assert (green.value, green.shade, green.side) == ("green", "dark", "above")
    assert (white.side, hairy.side) == ("below", "below")
    (colour,) = extract("Le dessous des ailes postérieures est vert.", group="insects", language="fr")
    assert (colour.organ, colour.side) == ("hindwing", "below")


def test_sexes():
    text = "Bleu chez le mâle, brun chez la femelle."
    assert [(one.value, one.sex) for one in extract(text, group="insects", language="fr")] == [("blue", "male"), ("brown", "female")]  # fmt: skip


def test_the_group_is_told_by_french_words():
    assert extract("Pétales blancs.", language="fr")[0].organ == "petal"
    assert extract("Ailes antérieures brunes.", language="fr")[0].organ == "forewing"


def test_a_language_without_a_vocabulary_is_refused():
    with pytest.raises(ClipbioError, match="no vocabulary of language 'it'"):
        extract("foglie ovate", language="it")


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), st.sampled_from(("plants", "insects", "birds")))
def test_any_order_of_words_is_read(text, group):
    told(text, group)


def test_what_is_said_of_a_raceme_is_said_of_no_flower():
    assert told("Grappe dense, longue de 5 cm, à fleurs bleues.") == {
        "flower arrangement = raceme",
        "inflorescence length = 50 mm",
        "flower colour = blue",
    }
    english = extract("Raceme 5 cm long; flowers in spikes, blue.", group="plants")
    assert [(one.character, one.value) for one in english] == [
        ("flower arrangement", "raceme"),
        ("inflorescence length", "50 mm"),
        ("flower arrangement", "spike"),
        ("flower colour", "blue"),
    ]


def test_the_bare_size_of_a_plant_is_its_height():
    assert told("Arbre atteignant 25 m; feuilles de 3 cm.") == {"form = tree", "height = up to 25000 mm", "leaf length = 30 mm"}  # fmt: skip
    assert [one.character for one in extract("Tree to 25 m; leaves 3 cm.", group="plants")] == ["form", "height", "leaf length"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Leaves dark green above, paler beneath, margins entire.", "en"),
        ("Leaves green above, with entire margins.", "en"),
        ("Feuilles vertes en dessus, glauques en dessous, à marge entière.", "fr"),
    ],
)
def test_a_side_of_the_leaf_is_none_of_its_margin(text, language):
    sides = {one.property: one.side for one in extract(text, group="plants", language=language)}
    assert sides["margin"] == ""
    assert sides["colour"] in ("above", "below")
