"""The herbarium of yesterday: what is added to it must not change sheets, splits or ids that studies stand on."""

import hashlib
from collections import Counter, defaultdict

import PIL
import pytest

from clipbio.errors import ClipbioError
from clipbio.virtual import VirtualHerbarium

# Taken before there were barcodes and keys.
LISTED = "ee1e84f5c0d6820a71c20c97c69b9d74aea077de796580a99ce16e391c50d1d1"
DRAWN = "268e8ff8f49fdd41ee9ebdf7e9b523a874788e9d99c76a4cd403c1f7e9658624"
PILLOW = "13.0.0"


@pytest.fixture(scope="module")
def default():
    return VirtualHerbarium()


def test_default_sheets_have_the_ids_species_and_splits_that_they_always_had(default):
    digest = hashlib.sha256()
    for sheet in default.sheets:
        names = (sheet.id, sheet.split, sheet.group_id, sheet.species.ranks, sheet.species.common_name)
        digest.update(repr(names).encode())
    assert digest.hexdigest() == LISTED


@pytest.mark.skipif(PIL.__version__ != PILLOW, reason=f"pictures were recorded with Pillow {PILLOW}")
def test_default_pictures_are_those_that_they_always_were(default):
    digest = hashlib.sha256()
    for sheet in default.sheets[:40]:
        picture = default.draw(sheet)
        digest.update(picture.image + repr(sorted(picture.truth.items())).encode())
    assert digest.hexdigest() == DRAWN


@pytest.mark.parametrize("barcodes", ["clean", "noisy", "none"])
def test_pictures_do_not_depend_on_the_barcodes(barcodes):
    small = {"num_species": 6, "num_unseen": 2, "specimens_per_species": 4, "image_size": 48, "seed": 1}
    typical, other = VirtualHerbarium(**small), VirtualHerbarium(**small, barcodes=barcodes)
    assert typical.sheets == other.sheets
    assert [typical.draw(sheet) for sheet in typical.sheets[:9]] == [other.draw(sheet) for sheet in other.sheets[:9]]


def test_keys_come_out_of_train_and_unseen_and_change_nothing_else(herbarium):
    keyed = VirtualHerbarium(120, 40, specimens_per_species=8, image_size=64, num_keys=2, seed=3)
    taken = {"key": "train", "key_unseen": "unseen"}
    individuals = defaultdict(set)
    for before, after in zip(herbarium.sheets, keyed.sheets, strict=True):
        assert taken.get(after.split, after.split) == before.split
        assert (after.id, after.species, after.group_id) == (before.id, before.species, before.group_id)
        individuals[after.species.index, after.split].add(after.individual)
    counts = Counter(split for (_, split), found in individuals.items() if len(found) == 2 and split in taken)
    assert counts == {"key": 120, "key_unseen": 40}
    assert {index for index, split in individuals if split == "train"} == set(range(160)) - herbarium.unseen


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_keys": 9}, r"num_keys is 9, but a species has only \d+ individuals in 'train'; take fewer keys"),
        ({"num_keys": -1}, "num_keys is -1; it must be at least 0"),
        ({"barcodes": "cleen"}, "unknown barcodes 'cleen'.*did you mean 'clean'"),
    ],
)
def test_bad_settings_of_keys_and_barcodes_are_named(change, named):
    with pytest.raises(ClipbioError, match=named):
        VirtualHerbarium(8, 2, specimens_per_species=8, **change)
