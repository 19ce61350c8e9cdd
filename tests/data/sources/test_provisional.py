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


SCIENTIFIC = "Aus bus,Aus bus cus,Aus spinosus,Genista affinis,Aus generalis,Aus novae-zelandiae,Aus (Bus) cus"
PROVISIONAL = (
    "Aus sp,Aus sp. 1,Aus sp4,Aus cf. bus,Aus aff bus,Aus n. sp.,aus bus,bus,Aus,Aus bus?,Aus BOLD:AAA1234,Aus bZJ,"
    "Aus_bus,Aus Malaise,Aus malaiseb,Aus gen. nov,Aus near bus,Aus Bus"
)


@pytest.mark.parametrize("name", SCIENTIFIC.split(","))
def test_scientific_names(name: str) -> None:
    assert not is_provisional(name)


@pytest.mark.parametrize("name", PROVISIONAL.split(","))
def test_provisional_names(name: str) -> None:
    assert is_provisional(name)
