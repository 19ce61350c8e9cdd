import io
from collections import Counter

import pytest
from PIL import Image

from clipbio.data.sources.virtual import VirtualSource
from clipbio.taxonomy import RANKS
from clipbio.virtual.characters import CHARACTERS


@pytest.fixture(scope="module")
def source():
    return VirtualSource(10, 4, specimens_per_species=5, image_size=48, seed=2)


def test_specimens_are_complete(source):
    specimens = list(source)
    assert len(specimens) == len(source) == 14 * 5
    assert len({specimen.id for specimen in specimens}) == len(specimens)
    assert set(Counter(specimen.split for specimen in specimens)) == {"train", "val", "test", "unseen"}
    for specimen in specimens:
        assert all(specimen.taxon.ranks)
        assert specimen.common_names
        assert specimen.group_id
        assert {character.name for character in CHARACTERS} <= set(specimen.metadata)
        assert Image.open(io.BytesIO(specimen.image)).size == (48, 48)
    assert not source.defects


def test_most_specimens_have_a_barcode_and_none_a_bin(source):
    specimens = list(source)
    assert 0.5 * len(specimens) < sum(bool(specimen.dna) for specimen in specimens) < len(specimens)
    assert not any(specimen.bin for specimen in specimens)
    assert not any(
        specimen.dna for specimen in VirtualSource(3, specimens_per_species=4, image_size=48, barcodes="none")
    )


def test_a_source_can_be_read_twice(source):
    assert [specimen.image for specimen in source] == [specimen.image for specimen in source]


def test_metadata_does_not_hide_standard_columns(source):
    reserved = {*RANKS, "specimen_id", "image", "split", "group_id", "label", "description", "common_name"}
    assert not reserved & set(next(iter(source)).metadata)


def test_every_species_has_its_descriptions(source):
    texts = list(source.species_texts())
    counts = Counter(text.scientific_name for text in texts)
    assert counts == dict.fromkeys({specimen.taxon.scientific_name for specimen in source}, 4)
    assert {(text.kingdom, text.kind, text.language) for text in texts} == {("Plantae", "description", "en")}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 3},
        {"label": "name"},
        {"image_size": 64},
        {"num_unseen": 5},
        {"descriptions_per_species": 5},
        {"barcodes": "none"},
    ],
)
def test_the_fingerprint_follows_every_parameter(source, change):
    parameters = {"num_species": 10, "num_unseen": 4, "specimens_per_species": 5, "image_size": 48, "seed": 2}
    assert VirtualSource(**parameters).fingerprint() == source.fingerprint()
    assert VirtualSource(**{**parameters, **change}).fingerprint() != source.fingerprint()


def test_the_fingerprint_follows_the_keys():
    few, many = (VirtualSource(4, 1, specimens_per_species=8, num_keys=number) for number in (0, 1))
    assert few.fingerprint() != many.fingerprint()
