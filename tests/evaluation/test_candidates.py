import pytest
import torch

from clipbio.evaluation.embeddings import Candidates, Embeddings, SplitData, class_key
from clipbio.taxonomy import Taxon


def test_class_is_species_then_label_then_deepest_taxon(thing):
    species = Taxon("Plantae", genus="Rosa", species="canina")
    genus = Taxon("Plantae", genus="Rosa")
    assert class_key(thing(taxon=species, label="red")) == class_key(thing(taxon=species, label="white"))
    assert class_key(thing(taxon=genus, label="red")) != class_key(thing(taxon=genus, label="white"))
    assert class_key(thing(taxon=genus)) == genus.rank_keys[5]
    assert class_key(thing()) is None


def test_candidates_are_sorted_by_name_and_join_the_texts_of_their_members(thing):
    rose = Taxon("Plantae", genus="Rosa", species="canina")
    members = [
        thing(taxon=rose, common_names=("dog rose",), descriptions=("a", "b")),
        thing(taxon=Taxon("Plantae", genus="Acer", species="rubrum")),
        thing(taxon=rose, common_names=("briar", "dog rose"), descriptions=("b", "c")),
        thing(),
    ]
    candidates = Candidates.from_named(members)
    assert candidates.names == ("Acer rubrum", "Rosa canina")
    assert candidates.items[1].common_names == ("dog rose", "briar")
    assert candidates.items[1].descriptions == ("a", "b", "c")


def test_hemihomonyms_stay_apart_and_can_be_told_apart(thing):
    plant = Taxon("Plantae", genus="Agathis", species="montana")
    wasp = Taxon("Animalia", genus="Agathis", species="montana")
    candidates = Candidates.from_named([thing(taxon=plant), thing(taxon=wasp)])
    assert sorted(candidates.names) == ["Agathis montana (Animalia)", "Agathis montana (Plantae)"]


def test_images_without_a_class_are_skipped_and_counted(thing):
    vectors = torch.eye(3)
    data = SplitData.build("test", ["a", "b", "c"], vectors_ND=vectors, named=[thing(1), thing(), thing(0)])
    assert data.skipped == 1
    assert data.images.ids == ("a", "c")
    assert torch.equal(data.images.vectors_ND, vectors[[0, 2]])
    assert [data.classes.names[c] for c in data.images.class_N] == ["Genus species01", "Genus species00"]


def test_wider_candidates_add_distractors_and_keep_the_texts_of_the_split(thing):
    own = [thing(1), thing(2)]
    others = [thing(0), thing(taxon=own[0].taxon, descriptions=("from a training specimen",))]
    data = SplitData.build("unseen", ["a", "b"], vectors_ND=torch.eye(2), named=own, table=[*own, *others])
    assert data.wider is not None
    assert data.wider.names == ("Genus species00", "Genus species01", "Genus species02")
    assert data.wider.positions(data.classes).tolist() == [1, 2]
    assert data.wider.items[1].descriptions == own[0].descriptions


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="2 ids, 3 vectors"):
        Embeddings(("a", "b"), torch.eye(3), torch.zeros(3, dtype=torch.long))
