from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checklists import GBIF_HEADER, lineage, resolver_of, write_rows

from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.resolving import Resolver
from clipbio.data.merging.settings import NameFile
from clipbio.data.merging.vernacular import _Wanted, read_common_names
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

MONARCH = "Animalia Arthropoda Insecta Lepidoptera Nymphalidae Danaus plexippus"
HERB = "Plantae Tracheophyta Magnoliopsida Lamiales Lamiaceae Prunella vulgaris"
BIRD = "Animalia Chordata Aves Passeriformes Prunellidae Prunella vulgaris"


def row(name: str, common_name: str, language: str = "en", preferred: str = "", kingdom: str = "") -> dict[str, str]:
    values = {"scientific_name": name, "common_name": common_name, "language": language}
    return values | {"preferred": preferred, "kingdom": kingdom}


@pytest.fixture
def names(tmp_path: Path) -> Any:
    """Give a function that joins a table of common names to the three species, and returns name: common name."""
    resolver = resolver_of(tmp_path, [MONARCH, HERB, BIRD], {"Danaus archippus": "Danaus plexippus"})

    def join(*rows: dict[str, str], languages: tuple[str, ...] = ()) -> dict[tuple[str, str], str]:
        file = NameFile(str(write_rows(tmp_path / "vernacular.csv", rows)))
        texts = read_common_names([file], [lineage(one) for one in (MONARCH, HERB, BIRD)], resolver, languages)
        return {(text.kingdom, text.scientific_name): text.text for text in texts}

    return join


M = ("Animalia", "Danaus plexippus")


def test_the_choice_is_made_in_four_steps(names: Any) -> None:
    rows = [
        row("Danaus plexippus", "Wanderer"),
        row("Danaus plexippus", "Monarch butterfly"),
        row("Danaus plexippus", "Monarch"),
        row("Danaus archippus", "Monarch"),
        row("Danaus plexippus", "Monarque", "fr"),
    ]
    assert names(*rows) == {M: "Monarch"}, "the most frequent, a synonym's rows counted"
    assert names(*rows[:2]) == {M: "Monarch butterfly"}, "the alphabet"
    assert names(*rows, languages=("fr", "en")) == {M: "Monarque"}
    assert names(*rows, row("Danaus plexippus", "Milkweed", preferred="true")) == {M: "Milkweed"}
    assert names(*rows, languages=("de",)) == {}
    assert names(*reversed(rows)) == names(*rows), "whatever the order of the rows"


def test_hemihomonyms_have_names_of_their_own(names: Any) -> None:
    herb = row("Prunella vulgaris", "Selfheal", kingdom="Plantae")
    assert names(herb, row("Prunella vulgaris", "Anything")) == {("Plantae", "Prunella vulgaris"): "Selfheal"}


def test_records_without_a_kingdom_are_of_the_only_one_there_is() -> None:
    wanted = _Wanted([Taxon("Animalia", genus="Pica", species="pica"), Taxon(genus="Pica", species="pica")])
    both = [("", "Pica pica"), ("Animalia", "Pica pica")]
    assert wanted.keys("Pica pica", "") == wanted.keys("Pica pica", "Animalia") == both
    assert wanted.keys("Pica pica", "Plantae") == []
    more = _Wanted([*(Taxon(kingdom, genus="Pica", species="pica") for kingdom in ("Animalia", "Plantae", ""))])
    assert more.keys("Pica pica", "Animalia") == [("Animalia", "Pica pica")]
    assert more.keys("Pica pica", "") == []


def test_a_common_name_is_joined_with_and_without_kingdom(tmp_path: Path) -> None:
    file = NameFile(str(write_rows(tmp_path / "names.csv", [row("Pica pica", "Magpie")])))
    taxa = [Taxon("Animalia", genus="Pica", species="pica"), Taxon(genus="Pica", species="pica")]
    texts = read_common_names([file], taxa, Resolver(None))
    assert [(text.kingdom, text.text) for text in texts] == [("", "Magpie"), ("Animalia", "Magpie")]


def test_placeholders_and_unknown_taxa_are_no_names(names: Any) -> None:
    assert names(row("Danaus plexippus", "n/a"), row("Pica pica", "Magpie")) == {}


@pytest.mark.parametrize("form", ["gbif", "coldp"])
def test_tables_that_name_taxa_by_id(tmp_path: Path, form: str) -> None:
    ranks = dict(zip(("kingdom", "phylum", "class", "order", "family", "genus"), lineage(MONARCH).ranks))
    species = {"taxonRank": "species", **ranks}
    rows = [
        {"taxonID": "5", "canonicalName": "Danaus plexippus", "taxonomicStatus": "accepted", **species},
        {"taxonID": "6", "canonicalName": "Danaus archippus", "taxonomicStatus": "synonym", **species}
        | {"acceptedNameUsageID": "5"},
    ]
    checklist = Checklist.load(write_rows(tmp_path / "Taxon.tsv", rows, GBIF_HEADER))
    keys = ("taxonID", "vernacularName") if form == "gbif" else ("col:taxonID", "col:name")
    cells = [("6", "Monarch"), ("5", "Monarch"), ("5", "A king's butterfly"), ("77", "Nobody")]
    path = write_rows(tmp_path / "VernacularName.tsv", [dict(zip(keys, pair)) for pair in cells])
    (text,) = read_common_names([NameFile(str(path))], [lineage(MONARCH)], Resolver(checklist))
    assert (text.scientific_name, text.text, text.source) == ("Danaus plexippus", "Monarch", "VernacularName.tsv")
    assert read_common_names([NameFile(str(tmp_path))], [lineage(MONARCH)], Resolver(checklist)) == [text], "the folder"
    with pytest.raises(ClipbioError, match=r"names taxa by id; give merge\.checklist of the same release"):
        read_common_names([NameFile(str(path))], [lineage(MONARCH)], Resolver(None))


def test_earlier_files_come_first(tmp_path: Path) -> None:
    for number, name in enumerate(("Monarch", "King")):
        write_rows(tmp_path / f"{number}.csv", [row("Danaus plexippus", name)])
    files = [NameFile(str(tmp_path / f"{number}.csv")) for number in (1, 0)]
    (text,) = read_common_names(files, [Taxon(genus="Danaus", species="plexippus")], Resolver(None))
    assert text.text == "King"
