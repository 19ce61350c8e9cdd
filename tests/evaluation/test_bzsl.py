"""Zero-shot benchmark on a world whose images and DNA follow one tree of species."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from clipbio.data.sources import InsectSource
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import further_splits, run_benchmarks
from clipbio.evaluation.bzsl import Bzsl, harmonic_mean
from clipbio.evaluation.embeddings import Embeddings, SplitData
from clipbio.evaluation.key_query import KeyQuery
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import Taxon


def no_text(texts):
    raise AssertionError("no text is needed")


def make_split(name, species, *, each=10, seed=0, dim=8, classes=24):
    """Make specimens of numbered species; four species in a row are a genus, whose centre they share."""
    tree = np.random.default_rng(99)
    centres = np.repeat(tree.normal(size=(classes // 4, dim)), 4, axis=0) + 0.5 * tree.normal(size=(classes, dim))
    generator = np.random.default_rng((seed, len(name)))
    number = np.repeat(species, each)
    image = centres[number] + 0.15 * generator.normal(size=(len(number), dim))
    dna = centres[number][:, ::-1] + 0.02 * generator.normal(size=(len(number), dim))
    names = [f"s{'abcdefghijklmnopqrstuvwxyz'[one]}us" for one in range(classes)]
    named = [Specimen("", taxon=Taxon(genus=f"G{'abcdef'[one // 4]}us", species=names[one])) for one in number]
    specimens = Specimens(
        ids=tuple(f"{name}-{row}" for row in range(len(number))),
        named=tuple(named),
        vectors={"image": torch.from_numpy(image).float(), "dna": torch.from_numpy(dna.copy()).float()},
        present={"image": torch.ones(len(number), dtype=torch.bool), "dna": torch.arange(len(number)) % 3 == 0},
        taxon_NR=torch.tensor([one.taxon.rank_keys for one in named]),
        group_N=torch.arange(len(number)),
        barcodes=("ACGT",) * len(number),
    )
    return SplitData(name, Embeddings((), torch.zeros(0, 1), torch.zeros(0)), None, specimens=specimens)


UNSEEN, HELD = [3, 7, 11, 15], [2, 6, 10]
SEEN = [one for one in range(24) if one not in (*UNSEEN, *HELD)]


@pytest.fixture
def data():
    return {
        "train": make_split("train", SEEN),
        "val_unseen": make_split("val_unseen", HELD),
        "test": make_split("test", SEEN, each=4),
        "unseen": make_split("unseen", UNSEEN, each=4),
    }


def measured(data, **settings):
    return Bzsl(**{"bootstrap": 200, "s": 1.0} | settings).run_across(data, ["test", "unseen"], no_text).metrics


def test_figures_of_seen_and_unseen_species_and_their_harmonic_mean(data):
    metrics = measured(data)
    seen, unseen = metrics["bzsl/test/image/macro_top1"], metrics["bzsl/unseen/image/macro_top1"]
    assert seen > 0.9
    assert unseen > 2 / 24
    assert metrics["bzsl/test+unseen/image/harmonic_mean"] == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert metrics["bzsl/test/image/macro_top1/n"] == len(SEEN)
    assert metrics["bzsl/unseen/image/macro_top1/chance"] == pytest.approx(1 / 24)
    low, high = (metrics[f"bzsl/test+unseen/image/harmonic_mean/{side}"] for side in ("low", "high"))
    assert low <= metrics["bzsl/test+unseen/image/harmonic_mean"] <= high
    assert metrics["bzsl/test+unseen/settings/seen_classes"] == 20
    assert metrics["bzsl/test+unseen/settings/dimensions"] == 8


def test_wrong_dna_costs_the_unseen_species_alone(data):
    right = measured(data)
    one = data["unseen"].specimens
    # The DNA of another genus; the images stay.
    data["unseen"] = replace(
        data["unseen"], specimens=replace(one, vectors=one.vectors | {"dna": one.vectors["dna"].roll(4, dims=0)})
    )
    wrong = measured(data)
    assert wrong["bzsl/unseen/image/macro_top1"] < right["bzsl/unseen/image/macro_top1"]
    assert wrong["bzsl/test/image/macro_top1"] >= right["bzsl/test/image/macro_top1"] - 0.05


def test_fewer_dimensions_by_pca(data):
    assert measured(data, pca=3)["bzsl/test+unseen/settings/dimensions"] == 3


def test_tuning_looks_at_validation_alone_and_takes_published_ranges(data, monkeypatch):
    monkeypatch.setattr(
        "clipbio.evaluation.bzsl.GRID",
        {"neighbours": (2,), "k0": (1.0,), "k1": (25.0,), "m": (5.0, 25.0), "s": (1.0, 5.0)},
    )
    tuned = measured(data, tune=True, s=0.001)
    assert tuned["bzsl/test+unseen/settings/s"] in (1.0, 5.0)
    swapped = dict(data) | {
        name: make_split(name, data_species, each=4, seed=7)
        for name, data_species in (("test", SEEN), ("unseen", UNSEEN))
    }
    again = measured(swapped, tune=True, s=0.001)
    names = [key for key in tuned if "/settings/" in key]
    assert {key: tuned[key] for key in names} == {key: again[key] for key in names}
    with pytest.raises(ClipbioError, match="tune=true needs a split val_unseen"):
        measured({name: one for name, one in data.items() if name != "val_unseen"}, tune=True)


def test_the_export_is_read_by_what_reads_insect(data, tmp_path):
    measured(data, export=str(tmp_path))
    table, splits = loadmat(tmp_path / "res101.mat"), loadmat(tmp_path / "att_splits.mat")
    rows = sum(len(one.specimens) for one in data.values())
    assert table["features"].shape == (8, rows)
    assert splits["att"].shape == (8, 24)
    labels = table["labels"].ravel().astype(int)
    assert set(labels) == set(range(1, 25))
    sizes = {
        name: splits[name].size for name in ("train_loc", "val_loc", "trainval_loc", "test_seen_loc", "test_unseen_loc")
    }
    assert sizes == {"train_loc": 170, "val_loc": 30, "trainval_loc": 200, "test_seen_loc": 68, "test_unseen_loc": 16}
    unseen = splits["test_unseen_loc"].ravel().astype(int) - 1
    assert not set(labels[unseen]) & set(labels[splits["trainval_loc"].ravel().astype(int) - 1])
    first = data["unseen"].specimens
    assert table["features"][:, unseen[0]] == pytest.approx(first.vectors["image"][0].numpy())
    assert table["species"].ravel()[unseen[0]].item() == first.named[0].taxon.scientific_name
    dna = np.mean(
        [
            one.specimens.vectors["dna"][row].numpy()
            for one in data.values()
            for row in range(len(one.specimens))
            if one.specimens.present["dna"][row] and one.specimens.named[row] == first.named[0]
        ],
        axis=0,
    )
    assert splits["att_dna"][:, labels[unseen[0]] - 1] == pytest.approx(dna, rel=1e-5)
    found = {one.id: one for one in InsectSource(tmp_path)}
    assert len(found) == rows
    assert found["unseen-0"].split == "unseen"
    assert found["val_unseen-0"].taxon.scientific_name == data["val_unseen"].specimens.named[0].taxon.scientific_name


def test_images_of_classes_without_any_dna_are_left_out_and_told(data, caplog):
    one = data["unseen"].specimens
    data["unseen"] = replace(
        data["unseen"], specimens=replace(one, present=one.present | {"dna": torch.arange(16) >= 4})
    )
    metrics = measured(data)
    assert metrics["bzsl/unseen/image/macro_top1/n"] == 3
    assert "4 images of unseen are of classes without any DNA" in caplog.text


def test_all_splits_of_the_protocol_are_embedded_for_it(data):
    benchmark = {"bzsl": Bzsl(bootstrap=0)}
    available = ["train", "val", "val_unseen", "test", "unseen", "key"]
    assert further_splits(benchmark, ["test"], available) == ("train", "val", "val_unseen", "unseen")
    assert further_splits(benchmark, ["val"], available) == ()
    assert run_benchmarks(benchmark, [data["train"]], no_text).metrics == {}
    metrics = run_benchmarks(benchmark, [data["test"]], no_text, further=list(data.values())).metrics
    assert "bzsl/test+unseen/image/harmonic_mean" in metrics
    assert not any(key.endswith("/low") for key in metrics)


def test_what_is_missing_is_told(data):
    with pytest.raises(ClipbioError, match="the data has no split unseen"):
        measured({name: one for name, one in data.items() if name != "unseen"})
    with pytest.raises(ClipbioError, match="pca=0 must be more than 0"):
        Bzsl(pca=0)
    one = data["train"].specimens
    data["train"] = replace(
        data["train"],
        specimens=replace(one, vectors={"image": one.vectors["image"]}, present={"image": one.present["image"]}),
    )
    with pytest.raises(ClipbioError, match="images and DNA were not both encoded on split 'train'"):
        measured(data)


def test_the_harmonic_mean_of_nothing_is_nothing():
    assert harmonic_mean(0, 0) == 0
    assert harmonic_mean(0.383, 0.2083) == pytest.approx(0.2699, abs=2e-4)


def test_without_unseen_species_the_other_benchmarks_go_on(data, caplog):
    benchmarks = {"bzsl": Bzsl(bootstrap=0), "key_query": KeyQuery(["image"], ["dna"], bootstrap=0)}
    known = {name: one for name, one in data.items() if name in ("train", "test")}
    metrics = run_benchmarks(benchmarks, [known["test"]], no_text, further=[known["train"]]).metrics
    assert "key_query/test/image_to_dna/species/micro@1" in metrics
    assert "the data has no split unseen" in caplog.text
