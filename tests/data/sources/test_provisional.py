from __future__ import annotations

import pytest

from clipbio.data.sources.provisional import determination, is_provisional


@pytest.mark.parametrize(
    ("genus", "species", "expected"),
    [
        ("Megaselia", "Megaselia rufipes", ("Megaselia", "rufipes", "")),
        ("Megaselia", "Megaselia sp. 1ABC", ("Megaselia", "", "Megaselia sp. 1ABC")),
        ("", "Megaselia sp. 1ABC", ("Megaselia", "", "Megaselia sp. 1ABC")),
        ("Megaselia", "Megaselia ABCD", ("Megaselia", "", "Megaselia ABCD")),
        ("Megaselia", "Megaselia malaiseWW", ("Megaselia", "", "Megaselia malaiseWW")),
        ("Megaselia", "Megaselia cf. rufipes", ("Megaselia", "", "Megaselia cf. rufipes")),
        ("Megaselia", "Megaselia sp.", ("Megaselia", "", "")),
        ("Megaselia", "not_classified", ("Megaselia", "", "")),
        ("", "Platygastrinae sp. BOLD:AAA1", ("", "", "Platygastrinae sp. BOLD:AAA1")),
        ("", "sp. A", ("", "", "sp. A")),
    ],
)
def test_a_provisional_name_is_a_label_of_its_genus(genus: str, species: str, expected: tuple[str, str, str]) -> None:
    taxon, label = determination({"order": "Diptera", "genus": genus, "species": species})
    assert (taxon.genus, taxon.species, label) == expected
    assert taxon.order == "Diptera"


def test_published_names_with_authors_without_dots_are_no_stand_ins() -> None:
    assert not is_provisional("Orthocladius rivicola")
    assert not is_provisional("Aedes aegypti spesspecies"), "sp only as a word of its own"
