"""Captions: each property reads as a flora would have it, and what cannot be parted stays together."""

from typing import get_args

import pytest

from clipbio.traits import PROPERTIES, Group, Trait, caption, captions, prose
from clipbio.traits.nouns import MARKINGS, REGIONS, plural, split_character
from clipbio.traits.vocabulary import vocabulary


def trait(organ: str, property_: str, value: str, **more: object) -> Trait:
    return Trait(organ=organ, property=property_, value=value, phrase=value, start=0, end=len(value), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("character", "state", "wordings"),
    [
        ("leaf shape", "ovate", ["leaves ovate", "ovate leaves", "leaves are ovate"]),
        ("leaf margin", "serrate", ["leaves with serrate margins", "leaf margins serrate", "serrate leaves"]),
        ("corolla margin", "entire", ["corolla with an entire margin"]),
        ("leaf margin colour", "cream", ["leaves with cream margins"]),
        ("petal count", "5", ["petals five", "five petals", "with 5 petals"]),
        ("petal count", "4-6", ["petals 4-6", "four to six petals"]),
        ("petal count", "20", ["petals 20", "20 petals"]),
        ("sepal count", "1", ["sepals one", "one sepal"]),
        ("forewing spot colour", "black", ["forewings with black spots", "black spots on the forewings"]),
        ("forewing spot count", "2", ["forewings with two spots", "2 spots on the forewings"]),
        ("forewing pattern", "spot", ["forewings spotted", "spotted forewings", "forewings with spots"]),
        ("wing pattern", "patch", ["wings with patches", "patches on the wings"]),
        ("wingbar colour", "white", ["wingbars white", "white wingbars"]),
        ("eyebrow colour", "white", ["eyebrow white", "the eyebrow is white"]),
        ("pattern", "eyebrow", ["with an eyebrow"]),
        ("facial disc colour", "grey", ["facial disc grey", "grey facial disc"]),
        ("flower throat colour", "red", ["flowers with a red throat"]),
        ("wing pattern", "eyespot", ["wings with eyespots", "eyespots on the wings"]),
        ("forewing band width", "3 mm", ["forewings with bands 3 mm wide"]),
        ("leaf pattern", "plain", ["leaves plain", "leaves of one colour"]),
        ("leaf length", "4-6 cm", ["leaves 4-6 cm long", "leaf length 4-6 cm"]),
        ("leaf length", "40-60 mm", ["leaves 4-6 cm long"]),
        ("bill length", "long", ["bill long", "long bill", "the bill is long"]),
        ("bill tip colour", "black", ["bill with a black tip", "bill tip black"]),
        ("wingspan", "22-28 mm", ["wingspan 22-28 mm", "22-28 mm across the wings"]),
        ("length", "180-200 mm", ["18-20 cm long"]),
        ("size", "small", ["small", "small in size"]),
        ("flower centre colour", "yellow", ["flowers with a yellow centre", "yellow flower centre"]),
        ("flower arrangement", "raceme", ["flowers in racemes", "flowers in a raceme"]),
        ("inflorescence arrangement", "umbel", ["inflorescence an umbel", "flowers in umbels"]),
        ("leaf arrangement", "basal", ["leaves basal", "leaves in a basal rosette"]),
        ("leaf venation", "pinnate", ["leaves pinnately veined"]),
        ("fruit type", "berry", ["fruit a berry", "berries"]),
        ("root type", "fibrous", ["root fibrous", "fibrous roots"]),
        ("undertail coverts colour", "white", ["undertail coverts white", "undertail coverts are white"]),
        ("leaf colour", "dark green", ["leaves dark green", "dark green leaves"]),
    ],
)
def test_a_state_is_worded_as_in_floras(character: str, state: str, wordings: list[str]) -> None:
    said = captions(character, state)
    assert said[0] == wordings[0]
    assert set(wordings) <= set(said)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("property_", PROPERTIES)
@pytest.mark.parametrize("organ", ["", "leaf", "forewing", "bill"])
@pytest.mark.parametrize("part", ["", "margin", "spot"])
def test_every_property_has_a_wording(organ: str, part: str, property_: str) -> None:
    character = trait(organ, property_, "5", part=part).character
    assert split_character(character) == (organ, part, property_) or (part and not organ) or property_ == "margin"
    for state in ("5", "4-6 mm", "odd"):
        said = captions(character, state)
        assert said
        assert all(one == " ".join(one.split()) and one for one in said)


def test_a_trait_is_said_with_side_sex_and_stage() -> None:
    assert caption(trait("wing", "colour", "blue", side="above", sex="male")) == "wings blue above in males"
    assert caption(trait("throat", "colour", "white", stage="juvenile")) == "throat white in juveniles"
    juvenile = trait("wing", "pattern", "patch", sex="male", stage="juvenile")
    assert caption(juvenile) == "wings with patches in juvenile males"
    assert caption(trait("leaf", "colour", "green", shade="dark")) == "leaves dark green"


def test_what_is_not_so_is_said_to_be_not_so() -> None:
    assert caption(trait("breast", "pattern", "streak", negated=True)) == "breast not streaked"
    assert caption(trait("wing", "colour", "black", part="spot", negated=True)) == "wings without black spots"


def test_open_ranges_and_counts_come_from_their_bounds() -> None:
    assert caption(trait("leaf", "length", "", high=110.0, unit="mm")) == "leaves up to 11 cm long"
    assert caption(trait("petal", "count", "", low=5.0)) == "petals at least 5"
    assert caption(trait("petal", "count", "5", low=5.0, high=5.0)) == "petals five"


def test_traits_are_joined_organ_by_organ() -> None:
    told = [
        trait("leaf", "shape", "ovate"),
        trait("petal", "count", "5"),
        trait("leaf", "margin", "serrate"),
        trait("petal", "colour", "white"),
        trait("", "size", "small"),
        trait("leaf", "shape", "ovate"),
    ]
    assert prose(told) == "leaves ovate, with serrate margins; petals five, white; small"
    assert prose(told[:1], lambda ways: ways[-1]) == "leaves are ovate"


def test_markings_are_not_told_twice() -> None:
    spots = trait("wing", "pattern", "spot")
    assert prose([spots, trait("wing", "colour", "black", part="spot")]) == "wings with black spots"
    assert prose([spots, trait("leaf", "colour", "black", part="spot")]) == "wings spotted; leaves with black spots"


def test_the_parts_of_the_vocabularies_are_known() -> None:
    for group in get_args(Group):
        entries = vocabulary(group).entries.values()
        for entry in entries:
            if entry.kind in ("marking", "mass", "part"):
                assert entry.value in MARKINGS | REGIONS, entry
            if entry.kind == "organ" and entry.value and not entry.part:
                assert split_character(f"{entry.value} colour") == (entry.value, "", "colour"), entry


@pytest.mark.parametrize(
    ("one", "several"),
    [
        *(("leaf", "leaves"), ("foot", "feet"), ("berry", "berries"), ("patch", "patches"), ("calyx", "calyces")),
        *(("antenna", "antennae"), ("underparts", "underparts"), ("undertail coverts", "undertail coverts")),
        *(("plumage", "plumage"), ("hindwing", "hindwings"), ("elytron", "elytra")),
    ],
)
def test_plurals(one: str, several: str) -> None:
    assert plural(one) == several
