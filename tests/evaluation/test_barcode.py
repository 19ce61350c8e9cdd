"""The protocol on barcodes that evolved along a small tree."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbio.errors import ClipbioError
from clipbio.evaluation.barcode import Barcode
from clipbio.evaluation.barcode_answers import Barcodes, nearest_answers
from clipbio.evaluation.benchmark import further_splits, run_benchmarks
from clipbio.evaluation.embeddings import Embeddings, SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS, Taxon

GENUS = RANKS.index("genus")


def no_text(texts):
    raise AssertionError("no text is needed")


def mutated(generator, barcode, rate):
    changed = generator.random(len(barcode)) < rate
    return np.where(changed, generator.choice(list("ACGT"), size=len(barcode)), barcode)


class Tree:
    """Genera of species of specimens; vectors are what `embed` makes of the true species."""

    def __init__(self, genera=4, species=4, noise=0.01):
        self.generator = np.random.default_rng(0)
        root = self.generator.choice(list("ACGT"), size=300)
        self.species = {}
        for genus in range(genera):
            ancestor = mutated(self.generator, root, 0.25)
            for number in range(species):
                taxon = Taxon("Animalia", "", "", "", f"F{genus // 2}idae", f"G{genus}us", f"s{genus}{number}us")
                self.species[taxon] = mutated(self.generator, ancestor, 0.06)
        self.noise = noise

    def split(self, name, taxa, each=8, vectors=None):
        named = [taxon for taxon in taxa for _ in range(each)]
        sequences = tuple("".join(mutated(self.generator, self.species[taxon], self.noise)) for taxon in named)
        if vectors is None:
            axes = {taxon: row for row, taxon in enumerate(self.species)}
            vectors = torch.nn.functional.normalize(torch.eye(len(axes))[[axes[taxon] for taxon in named]] + 0.3, dim=1)
        specimens = Specimens(
            ids=tuple(f"{name}-{row}" for row in range(len(named))),
            named=tuple(named),
            vectors={"dna": vectors},
            present={"dna": torch.ones(len(named), dtype=torch.bool)},
            taxon_NR=torch.tensor([taxon.rank_keys for taxon in named]),
            group_N=torch.arange(len(named)),
            barcodes=sequences,
        )
        return SplitData(name, Embeddings((), torch.zeros(0, 1), torch.zeros(0)), None, specimens=specimens)

    def splits(self, **more):
        taxa = list(self.species)
        unseen = taxa[::4]
        seen = [taxon for taxon in taxa if taxon not in unseen]
        return {
            "train": self.split("train", seen, each=14, **more),
            "test": self.split("test", seen),
            "unseen": self.split("unseen", unseen),
        }


def measured(data, **settings):
    benchmark = Barcode(bootstrap=200, shortlist=5, **settings)
    return benchmark.run_across(data, [name for name in data if name != "train"], no_text).metrics


@pytest.fixture(scope="module")
def metrics():
    return measured(Tree().splits())


def test_real_relatives_are_found_by_kmers_and_by_alignment(metrics):
    for method in ("kmers", "alignment"):
        for rank in ("genus", "family"):
            for mean in ("micro", "macro"):
                key = f"barcode/unseen/{method}_1nn/{rank}/{mean}"
                assert metrics[key] > 0.95
                assert metrics[f"{key}/low"] <= metrics[key] <= metrics[f"{key}/high"]
    assert metrics["barcode/unseen/kmers_1nn/genus/macro/n"] == 4
    assert metrics["barcode/unseen/kmers_1nn/genus/micro/n"] == 32
    assert metrics["barcode/unseen/kmers_1nn/genus/micro/chance"] == pytest.approx(1 / 4)


def test_an_embedding_that_knows_no_relatives_loses_by_the_paired_difference(metrics):
    # Unseen species have axes of their own: all keys are equally near, and the first one always answers.
    assert metrics["barcode/unseen/embedding_1nn/genus/micro"] == pytest.approx(1 / 4)
    gain = "barcode/unseen/embedding_minus_kmers_1nn/genus/micro"
    expected = metrics["barcode/unseen/embedding_1nn/genus/micro"] - metrics["barcode/unseen/kmers_1nn/genus/micro"]
    assert metrics[gain] == pytest.approx(expected)
    assert metrics[f"{gain}/high"] < -0.2
    assert f"{gain}/chance" not in metrics


def test_seen_species_are_probed_on_a_few_barcodes(metrics):
    assert metrics["barcode/test/embedding_probe/species/macro"] == 1
    assert metrics["barcode/test/kmers_probe/species/macro"] > 0.9
    assert metrics["barcode/test/embedding_probe/species/macro/n"] == 12
    assert metrics["barcode/test/embedding_probe/species/micro/chance"] == pytest.approx(1 / 12)
    assert not any("test/embedding_1nn" in key or "unseen/embedding_probe" in key for key in metrics)


def test_more_shots_use_more_barcodes():
    # With noise that is averaged out by many examples.
    tree = Tree()
    data = tree.splits()
    for name in data:
        one = data[name].specimens
        noisy = one.vectors["dna"] + 0.5 * torch.randn(
            one.vectors["dna"].shape, generator=torch.Generator().manual_seed(1)
        )
        data[name] = replace(data[name], specimens=replace(one, vectors={"dna": noisy}))
    few, many = (measured(data, shots=shots) for shots in (1, None))
    key = "barcode/test/embedding_probe/species/micro"
    assert few[key] < many[key]


def test_known_barcodes_are_told_and_taxa_without_a_key_are_left_out(metrics):
    assert metrics["barcode/unseen/barcodes/in_keys"] == 0
    tree = Tree(noise=0.0)
    data = tree.splits()
    queries = data["unseen"].specimens
    lost = {next(iter(tree.species)).genus}
    data["train"] = replace(
        data["train"],
        specimens=data["train"].specimens.take(
            torch.tensor([taxon.genus not in lost for taxon in data["train"].specimens.named])
        ),
    )
    found = measured(data)
    assert found["barcode/unseen/embedding_1nn/genus/left_out"] == 8
    assert found["barcode/unseen/kmers_1nn/genus/micro/n"] == len(queries) - 8
    assert found["barcode/unseen/embedding_1nn/family/left_out"] == 0
    assert found["barcode/test/barcodes/in_keys"] == pytest.approx(9 / 12)


def test_a_nameless_key_may_be_the_nearest_and_is_wrong():
    taxon_NR = np.full((3, len(RANKS)), -1)
    taxon_NR[:2, GENUS] = [7, 8]
    keys = Barcodes(("A", "C", "G"), torch.eye(3), taxon_NR)
    queries = Barcodes(("A", "C"), torch.eye(3)[:2], np.where(taxon_NR[:2] >= 0, 7, -1))
    answers = nearest_answers(queries, keys, "genus", {"a": np.array([0, 2])})
    assert answers.predicted["a"].tolist() == [7, -1]
    assert (answers.predicted["a"] == answers.target_Q).tolist() == [True, False]
    assert answers.chance == pytest.approx(1 / 3)
    assert nearest_answers(queries, keys, "species", {"a": np.array([0, 2])}) is None


def test_a_provisional_name_stands_in_for_the_species():
    class Provisional:
        def __init__(self, taxon):
            self.taxon = replace(taxon, species="")
            self.common_names, self.descriptions, self.label = (), (), f"sp. {taxon.species}"

    data = {name: data for name, data in Tree().splits().items() if name != "unseen"}
    scientific = measured(data)
    for name, one in data.items():
        specimens = one.specimens
        named = tuple(map(Provisional, specimens.named))
        taxon_NR = torch.tensor([thing.taxon.rank_keys for thing in named])
        data[name] = replace(one, specimens=replace(specimens, named=named, taxon_NR=taxon_NR))
    provisional = measured(data)
    for method in ("embedding", "kmers"):
        key = f"barcode/test/{method}_probe/species/micro"
        assert provisional[key] == scientific[key]


def test_specimens_without_dna_are_neither_queries_nor_keys():
    data = Tree().splits()
    whole = measured(data)
    for name in data:
        one = data[name].specimens
        extra = replace(
            one.take(torch.arange(5)), barcodes=("",) * 5, present={"dna": torch.zeros(5, dtype=torch.bool)}
        )
        joined = Specimens(
            ids=(*extra.ids, *one.ids),
            named=(*extra.named, *one.named),
            vectors={"dna": torch.cat([torch.zeros_like(extra.vectors["dna"]), one.vectors["dna"]])},
            present={"dna": torch.cat([extra.present["dna"], one.present["dna"]])},
            taxon_NR=torch.cat([extra.taxon_NR, one.taxon_NR]),
            group_N=torch.cat([extra.group_N, one.group_N]),
            barcodes=(*extra.barcodes, *one.barcodes),
        )
        data[name] = replace(data[name], specimens=joined)
    assert {key: value for key, value in measured(data).items() if "1nn" in key} == {
        key: value for key, value in whole.items() if "1nn" in key
    }


def test_the_train_split_is_embedded_for_it():
    benchmarks = {"barcode": Barcode(bootstrap=0, shortlist=0)}
    assert further_splits(benchmarks, ["test"], ["train", "test"]) == ("train",)
    assert further_splits(benchmarks, ["key"], ["train", "key"]) == ()
    data = Tree().splits()
    result = run_benchmarks(benchmarks, [data["unseen"]], no_text, further=[data["train"]])
    assert "barcode/unseen/embedding_1nn/genus/micro" in result.metrics
    assert not any("alignment" in key or key.endswith("/low") for key in result.metrics)


def test_a_model_without_dna_is_told_so_and_a_split_without_keys_is_left(caplog):
    data = Tree().splits()
    bare = {name: replace(one, specimens=replace(one.specimens, vectors={}, present={})) for name, one in data.items()}
    with pytest.raises(ClipbioError, match="no DNA was encoded on split 'train'; take a model with a DNA tower"):
        measured(bare)
    with caplog.at_level(logging.WARNING):
        assert measured({"unseen": data["unseen"]}) == {}
    assert "needs a train split" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ranks": ["genos"]}, "ranks has no choice 'genos'; did you mean 'genus'"),
        ({"shots": 0}, "shots=0; give a number from 1 up"),
        ({"kmer": 7}, "kmer=7 must be 1 to 6"),
        ({"shortlist": -1}, "shortlist=-1 0 or more"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ClipbioError, match=message):
        Barcode(**settings)
