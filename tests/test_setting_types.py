"""Settings of a wrong type are named, with what they must be."""

import pytest

from clipbio.config import compose, instantiate, plain
from clipbio.errors import ClipbioError

BENCHMARKS = "clipbio.evaluation"


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        ("key_query.KeyQuery", {"splits": "test"}, "part.splits=test must be a list such as [a,b] or null"),
        ("key_query.KeyQuery", {"ks": 3}, "part.ks=3 must be a list such as [1,2]"),
        ("key_query.KeyQuery", {"missing_ranks": "skp"}, "must be one of skip, deepest; did you mean 'skip'?"),
        ("key_query.KeyQuery", {"distinct": "yes"}, "part.distinct=yes must be true or false"),
        ("open_set.OpenSet", {"unknown": "other"}, "part.unknown=other must be a dictionary such as {name: value} or"),
        ("open_set.OpenSet", {"k": True}, "part.k=True must be a whole number"),
        ("barcode.Barcode", {"bootstrap": "many"}, "part.bootstrap=many must be a whole number"),
        ("taxon_consistent.TaxonConsistent", {"accuracy": None}, "part.accuracy=null must be a number"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_in_one_line(target, settings, message):
    with pytest.raises(ClipbioError) as caught:
        instantiate({"_target_": f"{BENCHMARKS}.{target}", **settings}, "part")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_that_fit_pass_and_parts_inside_are_judged_by_what_they_build():
    config = {"_target_": f"{BENCHMARKS}.open_set.OpenSet", "unknown": {"val": "a", "test": "b"}, "splits": None}
    assert instantiate(config, "part").unknown == {"val": "a", "test": "b"}
    dna = plain(compose("train", ["model=trimodal_tiny"]).model.dna)
    dna["tokenizer"]["max_length"] = "long"
    with pytest.raises(ClipbioError, match=r"model.dna.tokenizer.max_length=long must be a whole number"):
        instantiate(dna, "model.dna")


def test_a_share_of_modalities_is_a_dictionary():
    data = plain(compose("train", ["data=virtual", "text=common"]).data) | {"modality_dropout": 0.1}
    with pytest.raises(ClipbioError, match=r"data.modality_dropout=0.1 must be a dictionary such as \{name: 0.1\}"):
        instantiate(data, "data")
