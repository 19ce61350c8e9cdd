import re
from itertools import combinations

import numpy as np
import pytest
from Bio.Seq import Seq

from clipbio.virtual import VirtualHerbarium
from clipbio.virtual.barcodes import PRESETS, BarcodeRates, Barcodes
from clipbio.virtual.evolution import BASES, FRAME, LENGTH
from clipbio.virtual.sequencing import SequencingRates
from clipbio.virtual.tree import grow

SEED = 3


@pytest.fixture(scope="module")
def flora():
    return grow(160, seed=SEED)


def barcodes(flora, name):
    return Barcodes(flora, PRESETS[name], seed=SEED)


def matrix(flora, name):
    """One true barcode per species, (species, sites)."""
    herbal = barcodes(flora, name)
    return np.array([herbal.true(species, 0) for species in flora])


def by_kinship(flora, sequences):
    """Mean distance in % of species that share a genus, a family only, an order only, a class only, nothing."""
    found = {depth: [] for depth in (4, 3, 2, 1, 0)}
    for one, other in combinations(range(len(flora)), 2):
        pair = zip(flora[one].path, flora[other].path, strict=True)
        depth = next(depth for depth, (a, b) in enumerate(pair) if a != b)
        found[depth].append(100 * (sequences[one] != sequences[other]).mean())
    return [np.mean(distances) for distances in found.values()]


def reads(flora, rates):
    herbal = Barcodes(flora, rates, seed=SEED)
    return {species.index: [herbal.read(species, individual) for individual in range(8)] for species in flora}


def protein(sequence):
    return str(Seq(sequence[FRAME:]).translate(table=5))


def test_clean_barcodes_are_whole_and_have_an_open_frame(flora):
    found = [sequence for each in reads(flora, PRESETS["clean"]).values() for sequence in each]
    assert {len(sequence) for sequence in found} == {LENGTH}
    assert set("".join(found)) == set(BASES)
    assert not [sequence for sequence in found if "*" in protein(sequence)]


def test_no_stop_codon_arises_along_the_tree_of_any_preset(flora):
    for name in PRESETS:
        letters = ["".join(BASES[base] for base in row) for row in matrix(flora, name).tolist()]
        assert not [sequence for sequence in letters if "*" in protein(sequence)]


def test_the_distance_of_barcodes_follows_the_tree(flora):
    genus, family, order, class_, kingdom = by_kinship(flora, matrix(flora, "typical"))
    assert 5 < genus < 9
    assert genus + 2 < family < order - 1 < class_ - 2 < kingdom - 2
    assert kingdom < 26


def test_congeners_of_typical_differ_by_three_to_twelve_percent_unless_they_share(flora):
    sequences = matrix(flora, "clean")
    congeners = [(a.index, b.index) for a, b in combinations(flora, 2) if a.path[:4] == b.path[:4]]
    distances = [100 * (sequences[one] != sequences[other]).mean() for one, other in congeners]
    assert np.percentile(distances, 2) > 3
    assert np.percentile(distances, 98) < 12.5


def test_third_positions_change_fastest_and_transitions_prevail(flora):
    sequences = matrix(flora, "clean")
    congeners = [(a.index, b.index) for a, b in combinations(flora, 2) if a.path[:4] == b.path[:4]]
    one, other = sequences[[pair[0] for pair in congeners]], sequences[[pair[1] for pair in congeners]]
    first, second, third = ((one != other)[:, FRAME + place :: 3].sum() for place in range(3))
    assert third > 3 * first > 3 * second > 0
    transitions = ((one != other) & (one % 2 == other % 2)).sum()
    assert transitions > 1.5 * ((one % 2) != (other % 2)).sum()


@pytest.mark.parametrize(("name", "least", "most"), [("clean", 0.1, 0.35), ("typical", 0.25, 0.6), ("noisy", 0.7, 1.4)])
def test_individuals_of_a_species_differ_little(flora, name, least, most):
    herbal = barcodes(flora, name)
    distances = [(herbal.true(species, 0) != herbal.true(species, 1)).mean() for species in flora]
    assert least < 100 * np.mean(distances) < most


def test_individuals_share_haplotypes_within_their_species(flora):
    found = reads(flora, PRESETS["clean"])
    counts = [len(set(each)) for each in found.values()]
    assert 1 < np.mean(counts) < 6
    assert min(counts) < max(counts)


@pytest.mark.parametrize("name", ["typical", "noisy"])
def test_few_sisters_share_haplotypes(flora, name):
    herbal, rates = barcodes(flora, name), PRESETS[name]
    takers = [species for species in flora if herbal.origin(species) != species]
    younger = [species for species in flora if species.path[-1]]
    assert abs(len(takers) / len(younger) - rates.shared) < 0.08
    assert all(herbal.origin(species).path[:4] == species.path[:4] for species in takers)
    herbal = Barcodes(flora, BarcodeRates(rates.between, rates.within, rates.shared), seed=SEED)
    common = [
        {herbal.read(species, number) for number in range(8)}
        & {herbal.read(herbal.origin(species), number) for number in range(8)}
        for species in takers
    ]
    assert sum(map(bool, common)) > 0.5 * len(takers) > 0


def test_clean_species_share_nothing(flora):
    found = reads(flora, PRESETS["clean"])
    assert sum(len(set(each)) for each in found.values()) == len(set().union(*found.values()))


@pytest.mark.parametrize("name", ["clean", "typical", "noisy"])
def test_barcodes_are_missing_as_often_as_the_preset_says(flora, name):
    found, rates = reads(flora, PRESETS[name]), PRESETS[name]
    without = [index for index, each in found.items() if not any(each)]
    others = [sequence for index, each in found.items() if index not in without for sequence in each]
    assert abs(len(without) / len(flora) - rates.missing_species) < 0.05
    assert abs(others.count("") / len(others) - rates.missing) < 0.04


@pytest.mark.parametrize("name", ["typical", "noisy"])
def test_reading_damages_as_many_barcodes_as_the_preset_says(flora, name):
    rates = PRESETS[name].sequencing
    found = [sequence for each in reads(flora, PRESETS[name]).values() for sequence in each if sequence]
    assert set("".join(found)) <= set("ACGTNRYSWKM")
    # Codes may lie in a part that is cut off or under a run of N.
    codes = np.mean([bool(re.search("[RYSWKM]", sequence)) for sequence in found])
    assert 0.7 * rates.ambiguous < codes < 1.3 * rates.ambiguous
    assert abs(np.mean(["NN" in sequence for sequence in found]) - rates.gaps) < 0.05
    assert abs(np.mean([len(sequence) < LENGTH for sequence in found]) - rates.cut) < 0.06
    assert min(map(len, found)) >= LENGTH - 120


def test_wrong_bases_are_as_many_as_asked_for(flora):
    read = Barcodes(flora, BarcodeRates(8, 0.4, sequencing=SequencingRates(errors=2)), seed=SEED)
    wrong = [
        np.mean(np.array(list(read.read(species, 0))) != np.array(list(BASES))[read.true(species, 0)])
        for species in flora
    ]
    assert 1.7 < 100 * np.mean(wrong) < 2.3


def test_a_barcode_depends_on_nothing_but_its_place_in_the_tree(flora):
    fewer = barcodes(grow(100, seed=SEED), "typical")
    herbal = barcodes(flora, "typical")
    for species in (flora[90], flora[3]):
        assert fewer.read(species, 5) == herbal.read(species, 5)
    assert Barcodes(flora, PRESETS["typical"], seed=4).true(flora[3], 0).tolist() != herbal.true(flora[3], 0).tolist()


def test_sheets_of_an_individual_share_its_barcode():
    herbarium = VirtualHerbarium(30, 5, specimens_per_species=8, image_size=32, seed=1)
    found = {}
    for sheet in herbarium.sheets:
        assert found.setdefault(sheet.group_id, herbarium.barcode(sheet)) == herbarium.barcode(sheet)
    assert len(found) < len(herbarium.sheets)


def test_none_has_no_barcodes():
    herbarium = VirtualHerbarium(3, 1, specimens_per_species=4, image_size=32, barcodes="none")
    assert {herbarium.barcode(sheet) for sheet in herbarium.sheets} == {""}
