import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.names import binomial, clean_phrase, clean_rank, is_placeholder, tidy
from clipbio.taxonomy import RANKS, Taxon, stable_hash

# Cells as they stand in published tables: (genus, species) -> what they mean.
SEEN_IN_THE_WILD = [
    # Authorship.
    ("", "Pica hudsonia (Sabine, 1823)", ("Pica", "hudsonia")),
    ("", "Quercus robur L.", ("Quercus", "robur")),
    ("Amanita", "Amanita excelsa Gonn. & Rabenh.", ("Amanita", "excelsa")),
    ("Abronia", "fragrans Nutt. ex Hook.", ("Abronia", "fragrans")),
    ("Abronia", "Fragrans Nutt.", ("Abronia", "fragrans")),
    ("Mus", "Mus musculus Linnaeus, 1758", ("Mus", "musculus")),
    ("Quercus", "Quercus L.", ("Quercus", "")),
    ("Quercus", "Linnaeus, 1753", ("Quercus", "")),
    ("Quercus", "Quercus de Vries", ("Quercus", "")),
    ("Quercus", "Miller & Foo", ("Quercus", "")),
    # The genus in the species cell.
    ("Pica", "Pica hudsonia", ("Pica", "hudsonia")),
    ("Pica", "pica hudsonia", ("Pica", "hudsonia")),
    ("Pica", "Pica Pica hudsonia", ("Pica", "hudsonia")),
    ("Quercus", "Q. robur", ("Quercus", "robur")),
    ("Pica", "Pica", ("Pica", "")),
    ("", "Pica hudsonia", ("Pica", "hudsonia")),
    ("", "quercus robur", ("Quercus", "robur")),
    ("", "QUERCUS ROBUR L.", ("Quercus", "robur")),
    ("unknown", "Pica hudsonia", ("Pica", "hudsonia")),
    ("Corvus", "Pica hudsonia", ("Pica", "hudsonia")),
    ("", "Emiliania_huxleyi", ("Emiliania", "huxleyi")),
    # Tautonyms and doubled epithets.
    ("Pica", "pica", ("Pica", "pica")),
    ("Pica", "Pica pica", ("Pica", "pica")),
    ("Pica", "Pica Pica", ("Pica", "pica")),
    ("Pica", "Pica pica pica", ("Pica", "pica")),
    ("Formica", "fuliginosa fuliginosa", ("Formica", "fuliginosa")),
    ("", "fuliginosa fuliginosa", ("", "")),
    # Ranks beside and below the species.
    ("Canis", "lupus familiaris", ("Canis", "lupus")),
    ("Quercus", "robur subsp. pedunculata (Ehrh.) Foo", ("Quercus", "robur")),
    ("Rosa", "canina var. dumetorum", ("Rosa", "canina")),
    ("Rosa", "var. dumetorum", ("Rosa", "")),
    ("Rosa", "'Peace'", ("Rosa", "")),
    ("Taraxacum", "officinale agg.", ("Taraxacum", "officinale")),
    ("Anopheles", "gambiae s.l.", ("Anopheles", "gambiae")),
    ("Bombus (Pyrobombus)", "Bombus (Pyrobombus) hypnorum", ("Bombus", "hypnorum")),
    # Open nomenclature: labelled to genus.
    ("Quercus", "sp.", ("Quercus", "")),
    ("Quercus", "spp.", ("Quercus", "")),
    ("Quercus", "sp. 1", ("Quercus", "")),
    ("Quercus", "sp_1", ("Quercus", "")),
    ("Quercus", "Quercus sp. nov.", ("Quercus", "")),
    ("", "Quercus sp.", ("Quercus", "")),
    ("Quercus", "cf. robur", ("Quercus", "")),
    ("Quercus", "Quercus cf robur", ("Quercus", "")),
    ("Quercus", "aff. robur", ("Quercus", "")),
    ("Quercus", "nr. robur", ("Quercus", "")),
    ("Quercus", "robur?", ("Quercus", "")),
    ("Quercus", "robur (?)", ("Quercus", "")),
    ("Larus", "fuscus/argentatus", ("Larus", "")),
    ("Larus", "fuscus or argentatus", ("Larus", "")),
    ("", "cf. Quercus robur", ("", "")),
    ("Quercus", "robur cf. subsp. pedunculata", ("Quercus", "robur")),
    ("Megaselia", "BOLD:ACB1234", ("Megaselia", "")),
    ("Megaselia", "Megaselia malaiseGlobal01", ("Megaselia", "")),
    ("Staphylinidae gen. sp.", "", ("", "")),
    # Hybrids: a hybrid with a name of its own has an epithet, a formula has none.
    ("Mentha", "× piperita", ("Mentha", "piperita")),
    ("Mentha", "×piperita", ("Mentha", "piperita")),
    ("Mentha", "Mentha x piperita L.", ("Mentha", "piperita")),
    ("× Cupressocyparis", "leylandii", ("Cupressocyparis", "leylandii")),
    ("Salix", "alba × fragilis", ("Salix", "")),
    ("Salix", "alba x S. fragilis", ("Salix", "")),
    ("", "Anas platyrhynchos x Anas rubripes", ("Anas", "")),
    ("", "Anas platyrhynchos x A. rubripes", ("Anas", "")),
    ("", "Aceras anthropophorum × Orchis militaris", ("", "")),
    ("Rosa", "hybrid", ("Rosa", "")),
    # Markup, odd characters, odd case.
    ("<i>Pica</i>", "<i>hudsonia</i> (Sabine)", ("Pica", "hudsonia")),
    ("Pica", "&lt;em&gt;hudsonia&lt;/em&gt;", ("Pica", "hudsonia")),
    ("Mentha", "&times; piperita", ("Mentha", "piperita")),
    ("Pica\u00a0", "\ufeffhudsonia\u200b", ("Pica", "hudsonia")),
    ("Pica", " hudsonia\t(Sabine)\n", ("Pica", "hudsonia")),
    ("PICA", "HUDSONIA", ("Pica", "hudsonia")),
    ("Isoe\u0308tes", "lacustris", ("Isoëtes", "lacustris")),
    ("Polygonia", "c-album", ("Polygonia", "c-album")),
    ("Aglais", "io", ("Aglais", "io")),
    ("Charmosyna", "o'reillyi", ("Charmosyna", "oreillyi")),
    # Nothing there.
    ("", "robur", ("", "")),
    ("Quercus", "not_classified", ("Quercus", "")),
    ("Quercus", "(unidentified)", ("Quercus", "")),
    ("Quercus", "unidentified oak", ("Quercus", "")),
    ("not_classified", "not_classified", ("", "")),
    ("?", "?", ("", "")),
    ("Tringa/Actitis", "", ("", "")),
]

RANK_NAMES = [
    ("Rosaceae", "Rosaceae"),
    ("ROSACEAE", "Rosaceae"),
    ("rosaceae", "Rosaceae"),
    ("Rosaceae Juss.", "Rosaceae"),
    ("<i>Rosaceae</i>", "Rosaceae"),
    ("Family: Rosaceae", "Rosaceae"),
    ("k__Bacteria", "Bacteria"),
    ("[Clostridium]", "Clostridium"),
    ("Candidatus Phytoplasma", "Phytoplasma"),
    ("cf. Rosaceae", ""),
    ("Rosaceae?", ""),
    ("incertae sedis", ""),
    ("Incertae_sedis", ""),
    ("Lecanorales incertae sedis", ""),
    ("unclassified Bacteria", ""),
    ("not_classified", ""),
    ("pleasehelp", ""),
    ("N/A", ""),
    ("n.a.", ""),
    ("nan", ""),
    ("-", ""),
    ("12345", ""),
    ("Family XIII", ""),
    ("", ""),
]

PIECES = """
    Pica pica hudsonia Quercus robur cf. aff sp. sp1 × x & ex L. (Sabine, 1823) (Pica) ? / unknown n/a _ - <i> </i> &lt;
    &amp; var. subsp. 'Rex' gen. ROBUR İ ß ŉ ǆ ﬁ ΑΣ ΐ incertae sedis Candidatus
"""
WILD = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*PIECES.split(), "\u0301", "\u200b", "\u00ad"]), max_size=6).map(" ".join),
)
ROWS = st.fixed_dictionaries(dict.fromkeys(RANKS, WILD))


@pytest.mark.parametrize(("genus", "species", "expected"), SEEN_IN_THE_WILD)
def test_binomial_seen_in_the_wild(genus, species, expected):
    assert binomial(genus, species) == expected


@pytest.mark.parametrize(("raw", "expected"), RANK_NAMES)
def test_rank_name(raw, expected):
    assert clean_rank(raw) == expected


@given(ROWS)
def test_cleaning_never_raises_and_is_idempotent(row):
    taxon = Taxon.from_mapping(row)
    assert Taxon.from_mapping(dict(zip(RANKS, taxon.ranks, strict=True))) == taxon


@given(ROWS)
def test_cleaned_names_are_single_words_in_the_right_case(row):
    taxon = Taxon.from_mapping(row)
    for name in taxon.ranks:
        assert " " not in name
        assert not name or not is_placeholder(name)
    assert taxon.species == taxon.species.lower()
    assert taxon.genus or not taxon.species


@given(st.text())
def test_tidy_is_idempotent_and_leaves_no_control_characters(raw):
    text = tidy(raw)
    assert tidy(text) == text
    assert text == " ".join(text.split())
    assert not set(text) & {"\u200b", "\ufeff", "\x00", "\n"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Blue\u00a0 Jay ", "Blue Jay"),
        ("<p>Tree to 20&nbsp;m.</p>", "Tree to 20 m."),
        ("Leaves <3 cm, petals >2 mm", "Leaves <3 cm, petals >2 mm"),
        ("-", ""),
        ("unknown", ""),
        ("N/A", ""),
        ("Unknown in the wild, grown for its leaves.", "Unknown in the wild, grown for its leaves."),
    ],
)
def test_clean_phrase(raw, expected):
    assert clean_phrase(raw) == expected


@pytest.mark.parametrize("synonym", ["Metazoa", "metazoa", "METAZOA", "Animalia"])
def test_animal_kingdom_has_one_name(synonym):
    assert Taxon.from_mapping({"kingdom": synonym}).kingdom == "Animalia"


@pytest.mark.parametrize("synonym", ["Viridiplantae", "Archaeplastida", "Chloroplastida", "Plantae"])
def test_plant_kingdom_has_one_name(synonym):
    assert Taxon.from_mapping({"kingdom": synonym}).kingdom == "Plantae"


def test_values_that_are_no_strings_are_missing_values():
    assert Taxon.from_mapping({"family": None, "genus": float("nan"), "species": 1, "other": "x"}) == Taxon()


MAGPIE = Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "hudsonia")


def test_names_of_a_taxon():
    assert MAGPIE.scientific_name == "Pica hudsonia"
    assert MAGPIE.deepest == ("species", "Pica hudsonia")
    assert MAGPIE.lineage("class") == ("Animalia", "Chordata", "Aves")
    assert MAGPIE.ranks == MAGPIE.lineage("species")
    assert not MAGPIE.is_empty


def test_names_of_a_taxon_known_to_family():
    taxon = Taxon(kingdom="Animalia", family="Cecidomyiidae")
    assert taxon.scientific_name == ""
    assert taxon.deepest == ("family", "Cecidomyiidae")
    assert taxon.lineage("family") == ("Animalia", "", "", "", "Cecidomyiidae")


def test_nothing_known():
    assert Taxon().is_empty
    assert Taxon().deepest is None
    assert Taxon().key == -1
    assert Taxon().rank_keys == (-1,) * 7


def test_epithet_without_genus_is_no_species():
    taxon = Taxon(kingdom="Plantae", species="robur")
    assert taxon.deepest == ("kingdom", "Plantae")
    assert taxon.rank_keys[6] == -1


def test_rank_keys_follow_the_lineage():
    jay = Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Cyanocitta", "cristata")
    shared = [ours == theirs for ours, theirs in zip(MAGPIE.rank_keys, jay.rank_keys, strict=True)]
    assert shared == [True] * 5 + [False] * 2
    assert len(set(MAGPIE.rank_keys)) == 7
    assert all(0 <= key < 2**63 for key in MAGPIE.rank_keys)


def test_rank_keys_mark_missing_ranks():
    keys = Taxon(kingdom="Animalia", family="Cecidomyiidae").rank_keys
    assert [key == -1 for key in keys] == [False, True, True, True, False, True, True]


def test_hemihomonyms_stay_apart():
    # Pieris is a genus of butterflies and one of heaths.
    butterfly = Taxon(kingdom="Animalia", genus="Pieris", species="japonica")
    shrub = Taxon(kingdom="Plantae", genus="Pieris", species="japonica")
    assert butterfly.scientific_name == shrub.scientific_name
    assert butterfly.key != shrub.key
    assert butterfly.rank_keys[6] != shrub.rank_keys[6]


def test_keys_do_not_depend_on_the_ranks_between():
    sparse = Taxon(kingdom="Animalia", genus="Pica", species="hudsonia")
    assert sparse.key == MAGPIE.key
    shared = [ours == theirs for ours, theirs in zip(sparse.rank_keys, MAGPIE.rank_keys, strict=True)]
    assert shared == [True, False, False, False, False, True, True]


def test_key_without_species_is_that_of_the_deepest_rank():
    taxon = Taxon(kingdom="Animalia", family="Corvidae")
    assert taxon.key == taxon.rank_keys[4]


def test_stable_hash_is_the_same_for_ever():
    assert stable_hash("Pica", "hudsonia") == 4141268572558350612
    assert stable_hash() != stable_hash("")


@pytest.mark.parametrize("other", [("a", "bc"), ("abc",), ("ab", "c", ""), ("c", "ab")])
def test_stable_hash_keeps_the_borders_and_order_of_its_parts(other):
    assert stable_hash("ab", "c") != stable_hash(*other)
