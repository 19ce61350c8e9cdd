"""Views of an organ: they are told what is about that organ, names where nothing is; all else is told as ever."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from things import Thing

from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon
from clipbio.text import TEXT_TYPES, Rendered, TextRegime, render
from clipbio.text.told import told_texts, told_traits
from clipbio.traits import extract
from clipbio.traits.shown import shows
from clipbio.virtual import VirtualHerbarium

MAPLE = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Sapindales", "Sapindaceae", "Acer", "rubrum")
PARTS = ("leaf", "flower", "fruit", "stem", "root")
SEEDS = st.integers(0, 2**63 - 1)
UNITS = st.sampled_from(["whole", "sentence", "clause"])
# Statements of which each names its organ, of words that none about another organ has.
STATEMENTS = {
    "leaf": ("leaves ovate", "leaf margins serrate", "leaflets 4-6 cm long", "petioles hairy"),
    "flower": ("petals red", "flowers axillary", "sepals five and acute"),
    "fruit": ("fruit a blue berry", "seeds black"),
    "stem": ("stems erect", "stems 20-40 cm tall"),
    "": ("a shrub",),
}
WORDS = {part: {word for one in told for word in one.split()} - {"a", "and", "cm"} for part, told in STATEMENTS.items()}


@dataclass(frozen=True)
class View(Thing):
    taxon: Taxon = MAPLE
    common_names: tuple[str, ...] = ("red maple",)
    part: str = field(default="", kw_only=True)


@st.composite
def descriptions(draw: st.DrawFn) -> str:
    told = draw(st.lists(st.sampled_from([one for group in STATEMENTS.values() for one in group]), min_size=1))
    marks = draw(st.lists(st.sampled_from([". ", "; ", ", "]), min_size=len(told), max_size=len(told)))
    marks[-1] = "."
    sentences = "".join(one + mark for one, mark in zip(told, marks, strict=True)).split(". ")
    return ". ".join(one[:1].upper() + one[1:] for one in sentences)


@settings(deadline=None)  # the first traits read the vocabularies
@given(
    st.lists(descriptions(), min_size=1, max_size=3), st.sampled_from(PARTS), SEEDS, UNITS, st.sampled_from(TEXT_TYPES)
)
def test_a_view_is_never_told_of_another_organ(
    texts: list[str], part: str, seed: int, unit: str, text_type: str
) -> None:
    view = View(descriptions=tuple(texts), label="crop", part=part)
    regime = TextRegime({text_type: 1, "description": 1}, unit=unit, name_probability=0.5)  # type: ignore[arg-type]
    others = set.union(*(words for other, words in WORDS.items() if other != part)) - WORDS.get(part, set())
    for rendered in (regime.draw(view, sample_seed=seed, batch_seed=0), render(view, text_type)):
        if rendered.type in ("description", "traits"):
            assert not others & {word.strip(".,;") for word in rendered.text.casefold().split()}


@pytest.mark.parametrize("text_type", ["description", "traits"])
@pytest.mark.parametrize("part", PARTS)
def test_of_the_virtual_flora_all_that_is_told_of_an_organ_is_about_it(part: str, text_type: str) -> None:
    herbarium = VirtualHerbarium(num_species=12, num_unseen=0, specimens_per_species=4, image_size=64)
    regime = TextRegime({text_type: 1}, unit="sentence")
    told = 0
    for species in herbarium.species:
        texts = tuple(one.text for one in herbarium.describe(species))
        view = View(descriptions=texts, part=part)
        for seed in range(8):
            rendered = regime.draw(view, sample_seed=seed, batch_seed=0)
            if rendered.type == text_type:
                told += 1
                assert all(shows(part, one.organ) for one in extract(rendered.text, group="plants"))
    assert told > 48


def test_what_is_said_twice_is_seen_both_times() -> None:
    view = View(descriptions=("Petals red. Leaves ovate. Leaves ovate and petals red.",), part="flower")
    assert told_texts(view) == ("Petals red.",)


def test_clauses_are_cut_out_of_descriptions() -> None:
    text = "Leaves ovate; margins serrate; petals red; leaves hairy below. A shrub. Fruit blue; 4 mm across."
    assert told_texts(View(descriptions=(text,), part="leaf")) == (
        "Leaves ovate; margins serrate. leaves hairy below.",
    )
    assert told_texts(View(descriptions=(text,), part="Fruit")) == ("Fruit blue; 4 mm across.",)
    assert told_texts(View(descriptions=(text,))) == (text,)


def test_a_clause_about_two_organs_is_no_sentence_but_gives_traits() -> None:
    view = View(descriptions=("Leaves and petals red.",), part="flower")
    assert told_texts(view) == ()
    assert [one.organ for one in told_traits(view)] == ["petal"]
    assert TextRegime({"traits": 1}).draw(view, sample_seed=0, batch_seed=0).type == "traits"


def test_without_a_statement_names_stand_in() -> None:
    view = View(descriptions=("Leaves ovate.",), part="flower")
    for text_type in ("description", "traits"):
        expected = Rendered("a photo of red maple.", "common")
        assert render(view, text_type) == TextRegime({text_type: 1}).draw(view, sample_seed=1, batch_seed=0) == expected


@settings(deadline=None)
@given(descriptions(), SEEDS, UNITS, st.sampled_from(TEXT_TYPES))
def test_what_shows_the_whole_is_told_as_if_there_were_no_parts(
    text: str, seed: int, unit: str, text_type: str
) -> None:
    regime = TextRegime({text_type: 1, "description": 1}, unit=unit, name_probability=0.5)  # type: ignore[arg-type]
    thing = Thing(MAPLE, ("red maple",), (text, "Petals red; leaves ovate."), "maple")
    expected = regime.draw(thing, sample_seed=seed, batch_seed=0)
    for metadata in ({}, {"part": "leaf"}, {"view_of": "sheet", "part": "specimen"}):
        specimen = Specimen(
            "a", MAPLE, common_names=("red maple",), descriptions=thing.descriptions, label="maple", metadata=metadata
        )
        assert regime.draw(specimen, sample_seed=seed, batch_seed=0) == expected
