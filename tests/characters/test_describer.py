"""Describers: what they predict, when they keep silent, how they are saved."""

import json
import re

import numpy as np
import pytest
from character_worlds import COLUMNS, DIM, axis, encode, splits

from clipbio.characters.described import PictureDescriber
from clipbio.characters.describer import Describer, Prediction, Written
from clipbio.characters.folder import check_towers, load_describer, save_describer
from clipbio.characters.known import known_images, known_species
from clipbio.characters.making import make_describer
from clipbio.characters.sentence import sentence
from clipbio.characters.table import CharacterTable
from clipbio.errors import ClipbioError

TOWERS = {"image": "i" * 8, "text": "t" * 8}
TEXTS = (Written("Genus one", "Leaves ovate."), Written("Genus one", "Flowers red."), Written("Genus two", "A bulb."))


@pytest.fixture(scope="module")
def describer() -> Describer:
    data = splits()
    table = CharacterTable.build(known_species(data["train"].specimens.named, COLUMNS), min_species=5)
    images = known_images(data["val"], table, COLUMNS)
    return make_describer(table, images, encode, written=TEXTS, facts={"model": "toy", "towers": TOWERS})


def seen(*words: str) -> np.ndarray:
    vector = sum(axis(word) for word in words)
    return (vector / vector.norm()).numpy()[None]


def test_what_is_seen_is_told_and_what_is_not_is_never_answered(describer: Describer) -> None:
    told = {one.character: one for one in describer.predict(seen("blue", "cordate"))[0]}
    assert (told["flower colour"].state, told["leaf shape"].state) == ("blue", "cordate")
    assert told["flower colour"].answered
    assert told["leaf shape"].answered
    assert not told["root type"].answered
    assert not describer.by_name["root type"].visible
    assert describer.by_name["flower colour"].gain > 0.3


def test_shares_of_states_are_one_together_and_answered_ones_stand_first(describer: Describer) -> None:
    for row in describer.predict(np.concatenate([seen("red"), seen("linear")])):
        assert [one.answered for one in row] == sorted((one.answered for one in row), reverse=True)
        for one in row:
            shares = [share for _, share in one.alternatives]
            assert one.confidence + sum(shares) == pytest.approx(1)
            assert shares == sorted(shares, reverse=True)
            assert one.confidence >= shares[0]


def test_an_image_that_shows_nothing_has_the_frequencies(describer: Describer) -> None:
    scored = describer.by_name["root type"]
    for row in describer.predict(np.zeros((1, DIM), np.float32)):
        root = next(one for one in row if one.character == "root type")
        assert root.confidence == pytest.approx(scored.prior_S.max(), abs=0.15)


def test_images_of_another_model_are_refused(describer: Describer) -> None:
    with pytest.raises(ClipbioError, match="24 dimensions"):
        describer.predict(np.zeros((2, 7), np.float32))


def test_the_nearest_descriptions_are_of_different_species(describer: Describer) -> None:
    found = describer.nearest(seen("red"), 5)[0]
    assert [one.written.text for one in found] == ["Flowers red.", "A bulb."]
    assert found[0].cosine > found[1].cosine


def test_a_saved_describer_is_the_same(describer: Describer, tmp_path) -> None:
    save_describer(describer, tmp_path / "made")
    again = load_describer(tmp_path / "made")
    images = np.concatenate([seen("red", "ovate"), seen("white")])
    assert again.predict(images) == describer.predict(images)
    assert again.nearest(images, 2) == describer.nearest(images, 2)
    assert again.thresholds == describer.thresholds
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["describer.json", "vectors.safetensors"]
    check_towers(again, TOWERS, "toy")


def test_without_descriptions_it_is_saved_too(describer: Describer, tmp_path) -> None:
    bare = Describer(describer.characters, describer.thresholds, (), np.zeros((0, 0), np.float32), {})
    save_describer(bare, tmp_path / "bare")
    again = load_describer(tmp_path / "bare")
    assert PictureDescriber(again, 3).of(["x"], seen("red"))[0].nearest == ()


@pytest.mark.parametrize("tower", ["image", "text"])
def test_another_model_is_refused(describer: Describer, tower: str) -> None:
    with pytest.raises(ClipbioError, match=f"made with the {tower} tower"):
        check_towers(describer, TOWERS | {tower: "other"}, "another model")


def test_what_is_no_describer_is_told(describer: Describer, tmp_path) -> None:
    making = "'python -m clipbio describe checkpoint={} save=FOLDER', then characters=FOLDER"
    with pytest.raises(ClipbioError, match=re.escape(f"nowhere is not there: make one with {making.format('RUN')}")):
        load_describer(tmp_path / "nowhere")
    with pytest.raises(ClipbioError, match=r"is no describer \(no describer.json in it\): make one with"):
        load_describer(tmp_path)
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    with pytest.raises(
        ClipbioError, match=re.escape(f"{run} is a run, not a describer: make one with {making.format(run)}")
    ):
        load_describer(run)
    save_describer(describer, tmp_path / "one")
    file = tmp_path / "one" / "describer.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"schema": 99}))
    with pytest.raises(ClipbioError, match="schema 99"):
        load_describer(tmp_path / "one")
    del content["characters"][0]["bias"]
    file.write_text(json.dumps(content))
    with pytest.raises(ClipbioError, match="is damaged"):
        load_describer(tmp_path / "one")
    with (tmp_path / "one" / "vectors.safetensors").open("ab") as vectors:
        vectors.write(b"x")
    with pytest.raises(ClipbioError, match="is not the one that was written"):
        load_describer(tmp_path / "one")


def test_sentences_of_floras() -> None:
    def told(character: str, state: str, confidence: float, answered: bool = True) -> Prediction:
        return Prediction(character, state, confidence, (), answered)

    found = sentence(
        [
            told("leaf shape", "ovate", 0.834),
            told("flower colour", "red", 0.999),
            told("leaf arrangement", "alternate", 0.71),
            told("leaf margin", "serrate", 0.6),
            told("bill colour", "black", 0.55, answered=False),
        ]
    )
    assert found == "Leaves ovate (.83), alternate (.71), with serrate margins (.60); flowers red (.99)."
    assert sentence([told("root type", "bulb", 0.3, answered=False)]) == ""
