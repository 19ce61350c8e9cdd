from __future__ import annotations

from pathlib import Path

import pytest
from checklists import lineage, resolver_of, table_rows, write_rows

from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.resolving import Note, Resolver
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

MONARCH = "Animalia Arthropoda Insecta Lepidoptera Nymphalidae Danaus plexippus"
# Hemihomonyms: the genera of a hedge sparrow-like animal and of a herb, with one binomial in common.
HERB = "Plantae Tracheophyta Magnoliopsida Lamiales Lamiaceae Prunella vulgaris"
BIRD = "Animalia Chordata Aves Passeriformes Prunellidae Prunella vulgaris"
PICA = "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"
TAXA = (MONARCH, HERB, BIRD, PICA)


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    return resolver_of(tmp_path, TAXA, {"Danaus archippus": "Danaus plexippus", "Danais": "Danaus"})


def test_an_accepted_name_stays_and_missing_ranks_are_filled(resolver: Resolver) -> None:
    resolution = resolver(lineage("Animalia - - - - Pica hudsonia"))
    assert resolution.taxon == lineage(PICA)
    assert (resolution.match, resolution.notes, resolution.filled) == ("accepted", (), 4)


def test_a_synonym_becomes_the_accepted_name(resolver: Resolver) -> None:
    resolution = resolver(Taxon("Animalia", family="Danaidae", genus="Danaus", species="archippus"))
    assert (resolution.taxon, resolution.match) == (lineage(MONARCH), "synonym")
    assert resolution.notes == (
        Note("species", "Danaus archippus", "Danaus plexippus", "synonym"),
        Note("family", "Danaidae", "Nymphalidae", "higher_rank"),
    )


def test_a_synonym_of_a_genus_does_not_move_its_species(resolver: Resolver) -> None:
    given = Taxon("Animalia", family="Nymphalidae", genus="Danais", species="ignota")
    resolution = resolver(given)
    assert (resolution.taxon.genus, resolution.taxon.species, resolution.match) == ("Danais", "ignota", "unmatched")
    assert resolution.taxon.order == "Lepidoptera", "filled from the family"
    bare = resolver(Taxon("Animalia", genus="Danais", species="ignota"))
    assert bare.taxon.family == "", "nothing is filled from the genus that it is a synonym of"
    genus_alone = resolver(Taxon("Animalia", genus="Danais"))
    assert (genus_alone.taxon.genus, genus_alone.match) == ("Danaus", "synonym")


@pytest.mark.parametrize(("keep", "family"), [("checklist", "Nymphalidae"), ("source", "Danaidae")])
def test_whose_higher_ranks_are_kept(tmp_path: Path, keep: str, family: str) -> None:
    resolver = resolver_of(tmp_path, TAXA, keep=keep)
    resolution = resolver(lineage(MONARCH.replace("Nymphalidae", "Danaidae")))
    assert resolution.taxon == lineage(MONARCH.replace("Nymphalidae", family))
    assert resolution.notes == (Note("family", "Danaidae", family, "higher_rank"),)


def test_keep_is_checked() -> None:
    with pytest.raises(ClipbioError, match=r"merge\.keep=sources is unknown; did you mean 'source'"):
        Resolver(None, "sources")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Plantae - - - - Prunella vulgaris", HERB),
        ("Animalia - - - - Prunella vulgaris", BIRD),
        ("- - - - Lamiaceae Prunella vulgaris", HERB),
        ("- Chordata - - - Prunella vulgaris", BIRD),
    ],
)
def test_hemihomonyms_are_told_apart(resolver: Resolver, given: str, expected: str) -> None:
    resolution = resolver(lineage(given))
    assert (resolution.taxon, resolution.match) == (lineage(expected), "accepted")


def test_a_hemihomonym_without_any_hint_is_left_and_told(resolver: Resolver) -> None:
    given = Taxon(genus="Prunella", species="vulgaris")
    resolution = resolver(given)
    assert (resolution.taxon, resolution.match) == (given, "ambiguous")
    suggestion = "Prunella vulgaris (Animalia) | Prunella vulgaris (Plantae)"
    assert resolution.notes == (Note("species", "Prunella vulgaris", "Prunella vulgaris", "ambiguous", suggestion),)


def test_a_name_of_another_kingdom_is_not_taken(resolver: Resolver) -> None:
    given = lineage("Plantae - - - - Pica hudsonia")
    resolution = resolver(given)
    assert (resolution.taxon, resolution.match) == (given, "other_kingdom")
    assert resolution.notes[0].suggestion == "Pica hudsonia (Animalia)"


def test_a_kingdom_that_a_higher_rank_implies_counts_too(resolver: Resolver) -> None:
    assert resolver(lineage("- - - - Lamiaceae Pica hudsonia")).match == "other_kingdom"


def test_what_the_checklist_lacks_is_kept_with_a_suggestion(resolver: Resolver) -> None:
    resolution = resolver(lineage("Animalia - - - - Pica hudsonica"))
    assert resolution.taxon == lineage(PICA.replace("hudsonia", "hudsonica"))
    assert resolution.match == "unmatched"
    assert resolution.notes == (Note("species", "Pica hudsonica", "Pica hudsonica", "unmatched", "Pica hudsonia"),)


def test_pro_parte_synonyms_are_decided_by_what_is_known_above(tmp_path: Path) -> None:
    rows = table_rows([MONARCH, PICA, "Animalia Chordata Aves Passeriformes Laniidae Lanius cristatus"])
    for accepted in ("Pica hudsonia", "Lanius cristatus"):
        rows.append({"name": "Corvus medius", "rank": "species", "status": "synonym", "accepted": accepted})
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    resolved = resolver(Taxon("Animalia", family="Laniidae", genus="Corvus", species="medius"))
    assert resolved.taxon.scientific_name == "Lanius cristatus"
    open_ = resolver(Taxon("Animalia", genus="Corvus", species="medius"))
    assert open_.match == "ambiguous"
    assert set(open_.candidates) == {"Corvus medius", "Pica hudsonia", "Lanius cristatus"}


def test_an_accepted_name_beats_a_synonym_of_the_same_spelling(tmp_path: Path) -> None:
    rows = table_rows([PICA.replace("hudsonia", "nuttalli"), PICA])
    rows.append({"name": "Pica hudsonia", "rank": "species", "status": "synonym", "accepted": "Pica nuttalli"})
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    resolution = resolver(lineage("Animalia - - - - Pica hudsonia"))
    assert (resolution.taxon, resolution.match) == (lineage(PICA), "accepted")


def test_a_homonym_is_not_moved_against_its_own_family(tmp_path: Path) -> None:
    """An accepted name of one family, and the same one as a synonym in another."""
    lanius = "Animalia Chordata Aves Passeriformes Laniidae Lanius cristatus"
    rows = table_rows([PICA, lanius])
    rows.append({"name": "Pica hudsonia", "rank": "species", "status": "synonym", "accepted": "Lanius cristatus"})
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    assert resolver(lineage("Animalia - - - Laniidae Pica hudsonia")).taxon == lineage(lanius)
    for family in ("Corvidae", "-", "Otheridae"):
        resolution = resolver(lineage(f"Animalia - - - {family} Pica hudsonia"))
        assert (resolution.taxon, resolution.match) == (lineage(PICA), "accepted")


def test_a_doubtful_name_comes_after_an_accepted_one(tmp_path: Path) -> None:
    same = {"name": "Pica hudsonia", "rank": "species", "kingdom": "Animalia"}
    rows = [
        same | {"status": status, "family": family}
        for status, family in (("doubtful", "Laniidae"), ("accepted", "Corvidae"))
    ]
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    assert resolver(Taxon("Animalia", genus="Pica", species="hudsonia")).taxon.family == "Corvidae"


def test_the_genus_implies_no_kingdom(tmp_path: Path) -> None:
    """The gannets and the mulberries: a checklist that has the genus of the ones and a species of the others."""
    rows = [{"name": "Morus", "rank": "genus", "kingdom": "Animalia"}]
    rows.append({"name": "Morus alba", "rank": "species", "kingdom": "Plantae"})
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    assert resolver(Taxon(genus="Morus", species="alba")).taxon.kingdom == "Plantae"


def test_without_a_checklist_nothing_changes() -> None:
    given = lineage("Animalia - - - - Pica hudsonia")
    resolution = Resolver(None)(given)
    assert (resolution.taxon, resolution.match, resolution.notes) == (given, "unchecked", ())


def test_a_record_without_a_name_stays_so(resolver: Resolver) -> None:
    assert resolver(Taxon()).match == "unnamed"
