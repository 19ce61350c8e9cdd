import pickle
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from things import MAGPIE, MIDGE, MONARCH, MONARCH_TEXT, THINGS, Thing

from clipbio.config import compose, instantiate
from clipbio.errors import ClipbioError
from clipbio.sentences import split_clauses, split_sentences
from clipbio.text import TEXT_TYPES, TextRegime, Unnameable, render

CONFIGS = sorted((Path(__file__).parents[2] / "conf" / "text").glob("*.yaml"))
SEEDS = st.integers(0, 2**63 - 1)
MIXED = {"common": 1, "scientific": 2, "taxonomic": 1, "description": 4}


def from_file(path):
    return instantiate(compose("train", [f"text={path.stem}"]).text, "text")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_config_builds_a_regime_and_tells_what_it_is(path):
    regime = from_file(path)
    assert isinstance(regime, TextRegime)
    assert path.stem.startswith("mixed") or regime.types == (path.stem,)
    assert path.read_text().startswith("# ")
    assert regime.draw(MONARCH, sample_seed=1, batch_seed=2).type in regime.types


def test_each_text_type_has_a_config():
    assert {*TEXT_TYPES, "mixed", "mixed_bioclip", "mixed_described", "mixed_traits"} == {path.stem for path in CONFIGS}


def test_shares_follow_the_weights():
    regime = TextRegime(MIXED)
    draws = 20_000
    drawn = Counter(regime.draw(MONARCH, sample_seed=seed, batch_seed=0).type for seed in range(draws))
    for text_type, weight in MIXED.items():
        # Four standard deviations of a share of a half.
        assert drawn[text_type] / draws == pytest.approx(weight / 8, abs=4 * (0.25 / draws) ** 0.5)


def test_batch_draw_is_one_type_for_all_samples_and_follows_the_weights():
    regime = TextRegime(MIXED, draw="batch")
    drawn = Counter()
    for batch in range(2000):
        types = {regime.draw(thing, sample_seed=s, batch_seed=batch).type for s, thing in enumerate([MONARCH] * 4)}
        assert len(types) == 1
        drawn += Counter(types)
    for text_type, weight in MIXED.items():
        assert drawn[text_type] / 2000 == pytest.approx(weight / 8, abs=4 * (0.25 / 2000) ** 0.5)


def test_sample_draw_does_not_see_the_batch():
    regime = TextRegime(MIXED, unit="clause")
    assert len({regime.draw(MONARCH, sample_seed=5, batch_seed=batch) for batch in range(50)}) == 1


@given(THINGS, SEEDS, SEEDS, st.sampled_from(["sample", "batch"]))
def test_draw_is_a_pure_function_that_survives_pickling(thing, sample_seed, batch_seed, draw):
    regime = TextRegime(MIXED, draw=draw, template="herbarium", unit="sentence", name_probability=0.5)
    copy = pickle.loads(pickle.dumps(regime))
    results = []
    for each in (regime, copy, regime):
        try:
            results.append(each.draw(thing, sample_seed=sample_seed, batch_seed=batch_seed))
        except Unnameable:
            results.append(None)
    assert results[0] == results[1] == results[2]


@settings(deadline=None)  # the first traits read the vocabularies
@given(THINGS, SEEDS, st.sampled_from(TEXT_TYPES), st.sampled_from(["whole", "sentence", "clause"]))
def test_a_drawn_caption_is_never_empty(thing, seed, text_type, unit):
    regime = TextRegime({text_type: 1}, template="photo", unit=unit, name_probability=0.5)
    try:
        rendered = regime.draw(thing, sample_seed=seed, batch_seed=0)
    except Unnameable:
        return
    assert rendered.text.strip()
    assert rendered.text != "a photo of ."
    assert any(c.isalnum() for c in rendered.text.replace("a photo of", "")) or thing.label.strip()


def test_draw_does_not_touch_the_global_generator():
    import random

    random.seed(3)
    expected = random.Random(3).random()
    TextRegime({"description": 1}, unit="sentence").draw(MONARCH, sample_seed=1, batch_seed=1)
    assert random.random() == expected


@pytest.mark.parametrize(("unit", "split"), [("sentence", split_sentences), ("clause", split_clauses)])
def test_parts_of_a_description_are_distinct_and_in_order(unit, split):
    thing = Thing(descriptions=(MONARCH_TEXT,))
    regime = TextRegime({"description": 1}, unit=unit, min_units=1, max_units=3)
    pieces = split(MONARCH_TEXT)
    counts = Counter()
    for seed in range(300):
        text = regime.draw(thing, sample_seed=seed, batch_seed=0).text
        places = [text.find(piece.rstrip(";")) for piece in pieces]
        found = [place for place in places if place >= 0]
        assert found == sorted(found)
        assert not text.endswith(";")
        counts[len(found)] += 1
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 60


def test_a_short_description_is_used_whole():
    thing = Thing(descriptions=("One short sentence only. And a second one.",))
    regime = TextRegime({"description": 1}, unit="sentence", min_units=2, max_units=5)
    assert {regime.draw(thing, sample_seed=s, batch_seed=0).text for s in range(20)} == set(thing.descriptions)


def test_every_description_takes_part():
    regime = TextRegime({"description": 1})
    drawn = Counter(regime.draw(MONARCH, sample_seed=s, batch_seed=0).text for s in range(400))
    assert set(drawn) == set(MONARCH.descriptions)
    assert min(drawn.values()) > 140


def test_every_template_takes_part():
    regime = TextRegime({"common": 1}, template=["a {}", "the {}", "{}"])
    drawn = {regime.draw(MAGPIE, sample_seed=s, batch_seed=0).text for s in range(50)}
    assert drawn == {"a black-billed magpie", "the black-billed magpie", "black-billed magpie"}


@pytest.mark.parametrize(("name_type", "name"), [("scientific", "Danaus plexippus: "), ("common", "Monarch: ")])
def test_name_is_prepended_with_its_probability(name_type, name):
    regime = TextRegime({"description": 1}, name_probability=0.25, name_type=name_type)
    texts = [regime.draw(MONARCH, sample_seed=s, batch_seed=0).text for s in range(4000)]
    assert sum(text.startswith(name) for text in texts) / 4000 == pytest.approx(0.25, abs=0.03)
    assert {text.removeprefix(name) for text in texts} == set(MONARCH.descriptions)


def test_name_is_not_said_twice():
    thing = Thing(MAGPIE.taxon, (), ("Pica hudsonia is a large bird.",))
    regime = TextRegime({"description": 1}, name_probability=1)
    assert regime.draw(thing, sample_seed=0, batch_seed=0).text == "Pica hudsonia is a large bird."


def test_a_description_of_something_without_name_stands_alone():
    regime = TextRegime({"description": 1}, name_probability=1)
    assert regime.draw(Thing(descriptions=("A red leaf.",)), sample_seed=0, batch_seed=0).text == "A red leaf."


def test_a_missing_type_falls_back_and_says_so():
    regime = TextRegime({"description": 1, "common": 1})
    drawn = {regime.draw(MIDGE, sample_seed=s, batch_seed=0) for s in range(20)}
    assert drawn == {render(MIDGE, "common")}
    assert {rendered.type for rendered in drawn} == {"taxonomic"}


def test_nothing_nameable_raises():
    with pytest.raises(Unnameable):
        TextRegime(MIXED).draw(Thing(), sample_seed=0, batch_seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {"comon": 1}}, "did you mean 'common'"),
        ({"weights": {}}, "no text type"),
        ({"weights": "common"}, "must give each text type a number"),
        ({"weights": {False: 1}}, "unknown text type 'False'"),
        ({"weights": {"common": 0}}, "no text type"),
        ({"weights": {"common": -1}}, "'common' must be a number >= 0, got -1"),
        ({"weights": {"common": float("nan")}}, "must be a number"),
        ({"weights": {"common": "much"}}, "must be a number >= 0, got 'much'"),
        ({"draw": "samples"}, "did you mean 'sample'"),
        ({"missing_ranks": "deep"}, "did you mean 'deepest'"),
        ({"unit": "sentences"}, "did you mean 'sentence'"),
        ({"template": "fotos"}, "did you mean 'photo'"),
        ({"min_units": 0}, "min_units"),
        ({"min_units": 4, "max_units": 2}, "got 4 and 2"),
        ({"min_traits": 0}, "min_traits"),
        ({"name_type": "traits"}, "kind of name"),
        ({"name_probability": 1.5}, "0..1"),
        ({"name_type": "description"}, "kind of name"),
        ({"name_type": "latin"}, "unknown text type"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        TextRegime(**{"weights": {"common": 1}} | arguments)
    assert "\n" not in str(caught.value)


def test_weight_zero_leaves_a_type_out():
    regime = TextRegime({"common": 3, "scientific": 0, "taxonomic": 1})
    assert regime.types == ("common", "taxonomic")
    assert regime.weights == {"common": 0.75, "taxonomic": 0.25}


def test_a_setting_without_effect_warns(caplog):
    TextRegime({"common": 1}, name_probability=0.5)
    assert "name_probability has no effect" in caplog.text


def test_description_of_the_regime_tells_what_matters():
    regime = TextRegime(MIXED, draw="batch", template="herbarium", unit="clause", max_units=2, name_probability=0.25)
    for told in ("scientific 25 %", "per batch", "herbarium@1", "1 to 2 clauses", "scientific name in 25 %"):
        assert told in repr(regime)
    assert "descriptions" not in TextRegime({"common": 1}).describe()
