from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon

PICA = Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "hudsonia")
texts = st.text(min_size=1)
specimens = st.builds(
    Specimen,
    id=texts,
    taxon=st.sampled_from([PICA, Taxon(), Taxon(kingdom="Plantae", genus="Quercus")]),
    common_names=st.lists(texts, max_size=3).map(tuple),
    descriptions=st.lists(texts, max_size=3).map(tuple),
    dna=st.text("ACGTN-"),
    label=st.text(),
    split=st.sampled_from(["train", "test", "unseen"]),
    group_id=st.text(),
    metadata=st.dictionaries(texts, st.one_of(st.text(), st.integers(), st.booleans())),
)


@given(specimens)
def test_a_record_survives_json(specimen: Specimen) -> None:
    assert Specimen.from_record(json.loads(json.dumps(specimen.record()))) == specimen


def test_empty_values_are_not_written() -> None:
    assert Specimen("a", Taxon()).record() == {"specimen_id": "a", "split": "train"}


def test_a_record_without_split_belongs_to_train() -> None:
    assert Specimen.from_record({"specimen_id": "a"}).split == "train"


def test_a_record_needs_an_id() -> None:
    with pytest.raises(KeyError, match="specimen_id"):
        Specimen.from_record({"genus": "Pica"})


@pytest.mark.parametrize("field", ["common_names", "descriptions", "metadata"])
def test_a_text_where_a_list_belongs_is_refused(field: str) -> None:
    with pytest.raises(TypeError, match=field):
        Specimen.from_record({"specimen_id": "a", field: "Magpie"})


def test_own_texts_come_first_and_are_not_repeated() -> None:
    specimen = Specimen("a", PICA, common_names=("Magpie",)).with_texts(("Elster", "Magpie"), ("black and white",))
    assert specimen.common_names == ("Magpie", "Elster")
    assert specimen.descriptions == ("black and white",)


def test_the_class_is_named_by_species_then_label_then_deepest_rank() -> None:
    assert Specimen("a", PICA, label="juvenile").species == "Pica hudsonia"
    assert Specimen("a", Taxon(genus="Pica"), label="juvenile").species == "juvenile"
    assert Specimen("a", Taxon(genus="Pica")).species == "Pica"
    assert Specimen("a", Taxon()).species == ""


def test_a_specimen_has_a_name_if_anything_can_be_said_of_it() -> None:
    assert not Specimen("a", Taxon(), dna="ACGT", bin="BOLD:1").has_name
    assert Specimen("a", Taxon(kingdom="Plantae")).has_name
    assert Specimen("a", Taxon(), label="rust").has_name
    assert Specimen("a", Taxon(), descriptions=("leaves opposite",)).has_name


@pytest.mark.parametrize(
    ("metadata", "part"),
    [
        ({}, ""),
        ({"part": "leaf"}, ""),
        ({"view_of": "a"}, ""),
        ({"view_of": "a", "part": None}, ""),
        ({"view_of": "a", "part": "leaf"}, "leaf"),
        ({"view_of": "a", "part": "specimen"}, ""),
    ],
)
def test_a_view_shows_a_part_and_anything_else_the_whole(metadata: dict[str, object], part: str) -> None:
    assert Specimen("a#1", PICA, metadata=metadata).part == part
