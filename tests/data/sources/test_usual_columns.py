from __future__ import annotations

import pytest

from clipbio.data.sources.usual_columns import columns_of
from clipbio.errors import ClipbioError


def test_usual_names_are_recognised_however_they_are_spelled() -> None:
    present = ("Image", "scientificName", "Common Name", "LICENSE", "dna-barcode", "observation_id", "altitude")
    assert columns_of(present, where="here") == {
        "image": "Image",
        "scientific_name": "scientificName",
        "common_name": "Common Name",
        "licence": "LICENSE",
        "dna": "dna-barcode",
        "group_id": "observation_id",
    }


def test_the_first_name_wins_and_a_column_is_used_once() -> None:
    assert columns_of(("image_id", "id", "text", "caption"), where="here") == {
        "specimen_id": "id",
        "description": "caption",
    }
    assert columns_of(("id", "label"), {"species": "label"}, where="here") == {"specimen_id": "id", "species": "label"}


def test_a_field_can_be_given_and_be_left_out() -> None:
    assert columns_of(("id", "text"), {"description": None, "label": "text"}, where="here") == {
        "specimen_id": "id",
        "label": "text",
    }


def test_a_barcode_may_be_a_catalogue_number() -> None:
    assert columns_of(("id", "barcode"), where="here") == {"specimen_id": "id"}


def test_class_is_a_rank_only_beside_other_ranks() -> None:
    assert columns_of(("class",), where="here") == {"label": "class"}
    assert columns_of(("class", "order"), where="here") == {"class": "class", "order": "order"}
    assert columns_of(("class",), {"class": "class"}, where="here") == {"class": "class"}
    assert columns_of(("class", "name"), {"label": "name"}, where="here") == {"label": "name"}


def test_unknown_fields_and_columns_are_told() -> None:
    with pytest.raises(ClipbioError, match=r"columns.specie is unknown; did you mean 'species'"):
        columns_of(("label",), {"specie": "label"}, where="here")
    with pytest.raises(ClipbioError, match=r"here has no column 'lable'; did you mean 'label'"):
        columns_of(("label",), {"species": "lable"}, where="here")
