"""How far `not` and `without` reach: over a list of what is lacking, and no further."""

import pytest

from clipbio.traits import Group, extract


def told(text: str, group: Group, language: str = "en") -> list[str]:
    found = extract(text, group=group, language=language)
    return [f"{'not ' if one.negated else ''}{one.character} = {one.value}" for one in found]


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("Stems without hairs, leaves ovate.", ["leaf shape = ovate"]),
        ("Stems without hairs, leaves are ovate.", ["leaf shape = ovate"]),
        ("Lacking stipules, leaves ovate.", ["leaf shape = ovate"]),
        ("Stems without hairs, spines or prickles, leaves ovate.", ["leaf shape = ovate"]),
        (
            "Stems without hairs, leaves and petioles glabrous.",
            ["leaf surface = glabrous", "petiole surface = glabrous"],
        ),
        ("Flowers without petals, sepals green, stamens 5.", ["sepal colour = green", "stamen count = 5"]),
        ("Leaves without teeth, margin entire.", ["leaf margin = entire"]),
        ("Stem without spines, leaves not toothed, flowers red.", ["not leaf margin = serrate", "flower colour = red"]),
        ("Stem glabrous, leaves not toothed.", ["stem surface = glabrous", "not leaf margin = serrate"]),
        ("Stems not hairy, leaves ovate.", ["not stem surface = hairy", "leaf shape = ovate"]),
        ("Leaves not ovate but cordate.", ["not leaf shape = ovate", "leaf shape = cordate"]),
    ],
)
def test_a_comma_and_a_noun_that_is_spoken_of_end_it(text: str, traits: list[str]) -> None:
    assert told(text, "plants") == traits


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("Wings without spots or bands.", ["spot", "band"]),
        ("Wings without spots, bands or lines.", ["spot", "band", "line"]),
        ("Wings without spots, bands, or lines.", ["spot", "band", "line"]),
        ("Wings without spots, bands and a black line.", ["spot", "band", "line"]),
    ],
)
def test_lists_of_what_is_lacking_are_denied_to_their_end(text: str, traits: list[str]) -> None:
    denied = [f"not wing pattern = {value}" for value in traits]
    assert told(text, "insects") == denied
    assert told(f"{text[:-1]}, abdomen black.", "insects") == [*denied, "abdomen colour = black"]


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("Tiges sans poils, feuilles ovales.", ["stem surface = glabrous", "leaf shape = ovate"]),
        ("Tige sans épines, feuilles non dentées.", ["not leaf margin = dentate"]),
        ("Tige glabre, feuilles non dentées.", ["stem surface = glabrous", "not leaf margin = dentate"]),
        ("Fleurs sans pétales, sépales verts.", ["sepal colour = green"]),
    ],
)
def test_so_it_is_in_french(text: str, traits: list[str]) -> None:
    assert told(text, "plants", "fr") == traits
