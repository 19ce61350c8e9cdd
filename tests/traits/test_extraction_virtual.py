"""What is extracted from descriptions of the virtual flora, against what they claim."""

import pytest

from clipbio.traits import extract
from clipbio.traits.agreement import Assertion, agreement
from clipbio.virtual import VirtualHerbarium
from clipbio.virtual.triples import claimed

NUM_TEXTS = 200


def names(triple):
    """Leaflets may be meant where the leaf is compound."""
    return (triple.character, "leaflet shape") if triple.character == "leaf shape" else (triple.character,)


def claims_of(description):
    triples = [triple for claim in description.claims for triple in claimed(claim.character, claim.value)]
    return [Assertion(names(one), one.value, details=(("shade", one.shade),)) for one in triples]


def traits_of(description):
    return [
        Assertion((one.character,), one.value, details=(("shade", one.shade),))
        for one in extract(description.text, group="plants")
    ]


@pytest.fixture(scope="module")
def scores():
    herbarium = VirtualHerbarium(100, 0, specimens_per_species=4, descriptions_per_species=2, image_size=32, seed=11)
    texts = [text for species in herbarium.species for text in herbarium.describe(species)]
    assert len(texts) == NUM_TEXTS
    return agreement((traits_of(text), claims_of(text)) for text in texts)


def test_claims_are_extracted(scores):
    assert scores[""].num_true > 2000
    assert scores[""].f1 >= 0.97


def test_each_property_is_extracted(scores):
    assert {key: score.f1 for key, score in scores.items() if score.f1 < 0.95} == {}
