import io
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from clipbio.errors import ClipbioError
from clipbio.virtual import VirtualHerbarium
from clipbio.virtual.canvas import encode
from clipbio.virtual.characters import CHARACTERS, MEASURES


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.image))).astype(int)


def test_the_same_parameters_give_the_same_bytes(herbarium):
    again = VirtualHerbarium(120, 40, specimens_per_species=8, image_size=64, seed=3)
    assert again.sheets == herbarium.sheets
    for sheet in herbarium.sheets[:20]:
        assert again.draw(sheet) == herbarium.draw(sheet)


def test_a_sheet_does_not_depend_on_what_was_drawn_before(herbarium):
    first = herbarium.draw(herbarium.sheets[5])
    for sheet in herbarium.sheets[:5]:
        herbarium.draw(sheet)
    assert herbarium.draw(herbarium.sheets[5]) == first


def test_another_seed_gives_another_herbarium(herbarium):
    other = VirtualHerbarium(120, 40, specimens_per_species=8, image_size=64, seed=4)
    assert not {s.scientific_name for s in other.species} & {s.scientific_name for s in herbarium.species}


@pytest.mark.parametrize("size", [32, 64, 200])
def test_sheets_have_the_size_asked_for(size):
    herbarium = VirtualHerbarium(3, 0, specimens_per_species=4, image_size=size)
    image = Image.open(io.BytesIO(herbarium.draw(herbarium.sheets[0]).image))
    assert (image.size, image.mode, image.format) == ((size, size), "RGB", "JPEG")


def test_unseen_species_have_only_unseen_sheets(herbarium):
    splits = defaultdict(set)
    for sheet in herbarium.sheets:
        splits[sheet.species.index].add(sheet.split)
    unseen = {index for index, names in splits.items() if names == {"unseen"}}
    assert len(unseen) == 40
    assert all(names == {"train", "val", "test"} for index, names in splits.items() if index not in unseen)


def test_default_has_at_least_forty_unseen_species():
    assert len(VirtualHerbarium().unseen) >= 40


def test_splits_never_part_an_individual(herbarium):
    splits, sheets = defaultdict(set), Counter()
    for sheet in herbarium.sheets:
        splits[sheet.group_id].add(sheet.split)
        sheets[sheet.group_id] += 1
    assert all(len(names) == 1 for names in splits.values())
    assert set(sheets.values()) == {1, 2}


def test_two_sheets_of_one_individual_differ(herbarium):
    twin = next(sheet for sheet in herbarium.sheets if sheet.duplicate)
    first = next(sheet for sheet in herbarium.sheets if sheet.group_id == twin.group_id and not sheet.duplicate)
    one, other = herbarium.draw(first), herbarium.draw(twin)
    assert one.image != other.image
    for measure in MEASURES:
        mean = first.species.means[measure.name]
        assert abs(one.truth[measure.name] - other.truth[measure.name]) <= 0.4 * measure.spread * mean + 0.011


def test_every_species_has_its_sheets_and_ids_are_unique(herbarium):
    assert set(Counter(sheet.species.index for sheet in herbarium.sheets).values()) == {8}
    assert len({sheet.id for sheet in herbarium.sheets}) == len(herbarium.sheets) == 160 * 8


def test_truth_holds_every_character(herbarium):
    sheet = herbarium.sheets[0]
    truth = herbarium.draw(sheet).truth
    for character in CHARACTERS:
        assert str(truth[character.name]) == sheet.species.states[character.name]
    assert isinstance(truth["petal_number"], int)
    assert truth["num_leaves"] >= 3
    assert truth["num_flowers"] >= 1


def test_label_modes_change_nothing_but_the_label():
    modes = {
        mode: VirtualHerbarium(6, 2, specimens_per_species=4, image_size=96, label=mode, seed=1)
        for mode in ("none", "random", "name")
    }
    for sheet in modes["none"].sheets[:6]:
        drawn = {mode: herbarium.draw(sheet) for mode, herbarium in modes.items()}
        blank, name = pixels(drawn["none"]), pixels(drawn["name"])
        assert np.abs(blank - name)[80:92, 64:92].max() > 60
        # Outside of the label only the compression differs.
        assert np.abs(blank - name)[:72].max() == 0
        assert drawn["none"].truth["printed_name"] == ""
        assert drawn["name"].truth["printed_name"] == sheet.species.scientific_name


def test_random_labels_name_no_species_of_the_flora(herbarium):
    known = {part for species in herbarium.species for part in species.scientific_name.split()}
    printed = [herbarium.draw(sheet).truth["printed_name"] for sheet in herbarium.sheets[:100]]
    assert len(set(printed)) > 60
    assert not known & {part for name in printed for part in name.split()}


def test_colours_on_the_sheet_are_those_of_the_characters(herbarium):
    """The middle of a petal on the flower card has the colour that the truth states."""
    expected = {"red": 0, "blue": 2}
    seen = 0
    for sheet in herbarium.sheets:
        colour = sheet.species.states["flower_colour"]
        if colour in expected and sheet.species.states["centre_colour"] == "black":
            card = pixels(herbarium.draw(sheet))[6:23, 46:61].reshape(-1, 3)
            strongest = card[np.argmax(card.max(axis=1) - card.min(axis=1))]
            assert strongest.argmax() == expected[colour]
            seen += 1
        if seen == 12:
            break
    assert seen == 12


def test_drawing_costs_no_more_than_some_encodings(herbarium):
    """A bound relative to the machine: the work of this process, against that of writing the same pictures."""
    sheets = herbarium.sheets[:20]
    start = time.process_time()
    drawn = [pixels(herbarium.draw(sheet)).astype(np.uint8) for sheet in sheets]
    middle = time.process_time()
    for picture in drawn:
        encode(picture)
    assert middle - start < 600 * max(time.process_time() - middle, 1e-3)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"label": "nam"}, "did you mean 'name'"),
        ({"specimens_per_species": 2}, "specimens_per_species is 2"),
        ({"image_size": 8}, "image_size is 8"),
        ({"num_species": 0}, "num_species is 0"),
        ({"num_unseen": -1}, "num_unseen is -1"),
    ],
)
def test_bad_parameters_are_named(change, named):
    with pytest.raises(ClipbioError, match=named):
        VirtualHerbarium(**change)
