"""Evidence of images for statements, and false statements that frequency does not give away."""

from collections import Counter

import numpy as np
import pytest
from character_worlds import COLUMNS, axis, encode, splits

from clipbio.characters.auroc import auroc, auroc_interval
from clipbio.characters.choosing import answer_threshold
from clipbio.characters.describer import Describer
from clipbio.characters.evidence import evidence
from clipbio.characters.holding_out import HeldOut
from clipbio.characters.known import known_images, known_species
from clipbio.characters.making import make_describer
from clipbio.characters.planted import plant
from clipbio.characters.statements import Statement
from clipbio.characters.table import CharacterTable
from clipbio.traits import Trait


@pytest.fixture(scope="module")
def describer() -> Describer:
    data = splits()
    table = CharacterTable.build(known_species(data["train"].specimens.named, COLUMNS), min_species=5)
    return make_describer(table, known_images(data["val"], table, COLUMNS), encode)


def trait(organ: str, property_: str, value: str, *, negated: bool = False) -> Trait:
    return Trait(organ=organ, property=property_, value=value, phrase=value, start=0, end=1, negated=negated)


def sheets(word: str, count: int = 3) -> np.ndarray:
    return np.repeat(axis(word).numpy()[None], count, axis=0)


def test_true_statements_are_supported_false_ones_contradicted_and_hidden_ones_not_visible(
    describer: Describer,
) -> None:
    traits = [trait("flower", "colour", "red"), trait("flower", "colour", "blue"), trait("root", "type", "bulb")]
    red, blue, bulb = evidence(describer, traits, sheets("red"))
    assert (red.verdict, blue.verdict, bulb.verdict) == ("supported", "contradicted", "not visible")
    assert red.score is not None
    assert blue.score is not None
    assert red.score > 0 > blue.score
    assert red.probability is not None
    assert red.prior is not None
    assert red.probability > red.prior
    assert (red.images, red.spread) == (3, 0.0)
    assert bulb.reason == "images do not tell the character"


def test_a_denied_state_has_the_evidence_against_it(describer: Describer) -> None:
    said, denied = evidence(
        describer,
        [trait("flower", "colour", "blue"), trait("flower", "colour", "blue", negated=True)],
        sheets("red"),
    )
    assert denied.verdict == "supported"
    assert denied.score == pytest.approx(-(said.score or 0))
    assert denied.probability == pytest.approx(1 - (said.probability or 0))


def test_what_is_unknown_is_not_visible_with_its_reason(describer: Describer) -> None:
    traits = [trait("bark", "colour", "red"), trait("flower", "colour", "mauve"), trait("flower", "colour", "red")]
    character, state, images = evidence(describer, traits, np.zeros((0, describer.dim), np.float32))
    assert {one.verdict for one in (character, state, images)} == {"not visible"}
    assert "does not know the character" in character.reason
    assert "does not know the state 'mauve'" in state.reason
    assert "no images" in images.reason
    assert character.score is None


def test_images_that_disagree_have_a_spread(describer: Describer) -> None:
    both = np.concatenate([sheets("red", 1), sheets("blue", 1)])
    (found,) = evidence(describer, [trait("flower", "colour", "red")], both)
    assert found.spread > 0.5
    assert found.verdict == "not visible"


def planted_table() -> tuple[list[dict[str, frozenset[str]]], CharacterTable]:
    random = np.random.default_rng(0)
    told = []
    for _ in range(40):
        states = random.choice(["a", "b", "c", "rare"], 1 + (random.random() < 0.3), p=[0.5, 0.3, 0.15, 0.05])
        told.append({"leaf shape": frozenset(map(str, states))})
    stated = [[Statement("leaf shape", state) for state in one["leaf shape"]] for one in told]
    return told, CharacterTable.build(stated, min_species=5)


def test_planted_statements_are_false_and_each_state_is_as_often_true_as_false() -> None:
    told, table = planted_table()
    planted = plant(told, table, seed=0, rounds=3)
    assert all((one.state in told[one.species]["leaf shape"]) == one.true for one in planted)
    counts = Counter((one.state, one.true) for one in planted)
    assert {state for state, _ in counts} == set(table["leaf shape"].states)
    assert all(counts[state, True] == counts[state, False] > 0 for state in table["leaf shape"].states)
    own = Counter((one.species, one.true) for one in planted)
    assert all(own[species, True] == own[species, False] for species, _ in own)


def test_frequency_gives_nothing_away_and_the_seed_decides() -> None:
    told, table = planted_table()
    planted = plant(told, table, seed=1)
    prior = dict(zip(table["leaf shape"].states, table["leaf shape"].species, strict=True))
    score = np.array([prior[one.state] for one in planted])
    assert auroc(score, np.array([one.true for one in planted])) == pytest.approx(0.5)
    assert planted == plant(told, table, seed=1)
    assert planted != plant(told, table, seed=2)


def test_species_that_are_all_alike_leave_nothing_to_plant() -> None:
    _, table = planted_table()
    assert plant([{"leaf shape": frozenset("a")}] * 4, table, seed=0) == []


def test_areas_are_those_of_scikit_learn_with_ties() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    score, true = random.integers(0, 6, 300).astype(float), random.random(300) < 0.4
    assert auroc(score, true) == pytest.approx(roc_auc_score(true, score))
    assert auroc(score, np.ones(300, bool)) is None
    species = random.integers(0, 30, 300)
    low, high = auroc_interval(score, true, species, seed=0, resamples=300)
    assert low < auroc(score, true) < high
    assert auroc_interval(score, true, np.zeros(300, np.int64), seed=0, resamples=300) is None


def test_the_answer_threshold_is_the_lowest_that_reaches_the_accuracy() -> None:
    share = np.array([0.9, 0.8, 0.7, 0.6, 0.55])
    right = np.array([True, True, True, False, False])
    held = HeldOut(
        "leaf shape",
        np.arange(5),
        np.stack([right, ~right], axis=1),
        np.log(np.stack([share, 1 - share], axis=1)),
        np.zeros((5, 2)),
        0.1,
        visible=True,
    )
    assert answer_threshold([held], 0.75) == pytest.approx(0.6)
    assert answer_threshold([held], 0.8) == pytest.approx(0.7)
    assert answer_threshold([], 0.8) == 1.0
