"""Pictures of the hierarchy: what they show, and the whole way from vectors to the page."""

import io
import re
import sys
import types

import numpy as np
import pytest
import torch
from key_worlds import random_splits
from PIL import Image

from clipbio.errors import ClipbioError
from clipbio.evaluation import hierarchy_benchmark
from clipbio.evaluation.clade_maps import clade_maps, in_plane
from clipbio.evaluation.hierarchy_benchmark import Hierarchy
from clipbio.evaluation.hierarchy_plots import frequency_plot, height_plot
from clipbio.evaluation.hierarchy_space import Sample
from clipbio.evaluation.report import write_report

SIZES = {"train": (60, range(12)), "val": (40, range(12)), "test": (60, range(12))}


def encode(texts):
    """Give every text a direction of its own."""
    vectors = [torch.randn(12, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.nn.functional.normalize(torch.stack(vectors), dim=1)


def test_the_report_shows_answers_and_maps(tmp_path):
    benchmark = Hierarchy(bootstrap=10, permutations=9, few=4, many=6)
    result = benchmark.run_across(random_splits(1, SIZES), ("test",), encode)
    page = write_report(tmp_path, title="A report", summary={}, metrics=result.metrics, results=[result])
    html, text = page.read_text(encoding="utf-8"), (tmp_path / "report.md").read_text(encoding="utf-8")
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert captions[:5] == [
        "Accuracy at each rank",
        "How far off the answers are",
        "Confidence and accuracy",
        "Distance of species by their common ancestor",
        "Accuracy by training images",
    ]
    assert [re.sub(r"of [FG]\d+", "of it", one).split(",")[0] for one in captions[5:]] == [
        "Families",
        "Genera of it",
        "Species of it",
    ]
    for address in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert Image.open(tmp_path / address).size[0] > 300
    # Distances are told in ranks and not in percent.
    assert result.metrics["hierarchy/test/all/distance"] < 7
    assert f"{result.metrics['hierarchy/test/all/distance']:.2f}" in html


def make_sample(counts):
    """Return specimens of families, genera and species counted by (family, genus, species) names."""
    taxa = sorted({name[: depth + 1] for name in counts for depth in range(3)}, key=lambda name: (len(name), name))
    rows = [name for name, count in counts.items() for _ in range(count)]
    node = np.full((len(rows), 7), -1)
    for row, name in enumerate(rows):
        node[row, 4:] = [taxa.index(name[: depth + 1]) for depth in range(3)]
    vectors = torch.nn.functional.normalize(
        torch.randn(len(rows), 5, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return Sample(np.arange(len(rows)), vectors, node, np.arange(len(rows))), taxa


def test_maps_descend_into_the_largest_taxon():
    counts = {f"A{genus}{species}": 3 for genus in "abcdefgh" for species in "xy"} | {"Axx": 8, "Axy": 2, "Bzz": 20}
    sample, taxa = make_sample(counts)
    family, genus, species = clade_maps(sample, taxa, ("family", "genus", "species"), pictures="tsne", seed=0)
    assert (family.inside, family.rank, family.names, family.num_taxa) == ("", "family", ("A", "B"), 2)
    assert len(family.group_M) == 78
    # Nine genera, of which six have a colour of their own, the largest first.
    assert (genus.inside, genus.num_taxa, genus.names[0], len(genus.names)) == ("A", 9, "Ax", 6)
    assert np.bincount(genus.group_M + 1).tolist() == [18, 10, 6, 6, 6, 6, 6]
    assert (species.inside, species.names, len(species.group_M)) == ("Ax", ("Axx", "Axy"), 10)
    assert list(clade_maps(sample, taxa, ("family",), pictures="none", seed=0)) == []
    assert species.xy_M2.shape == (10, 2)


def test_placing_is_seeded():
    vectors = make_sample({"Aax": 10, "Bbx": 10})[0].vectors_MD.numpy()
    first, second = (in_plane(vectors, pictures="tsne", seed=3) for _ in range(2))
    assert np.array_equal(first, second)


def test_umap_is_asked_with_cosines_and_the_seed(monkeypatch):
    # The real one compiles for minutes.
    class Umap:
        def __init__(self, **settings):
            self.settings = settings

        def fit_transform(self, vectors):
            assert self.settings == {"metric": "cosine", "n_neighbors": 9, "random_state": 3}
            return vectors[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    vectors = make_sample({"Aax": 5, "Bbx": 5})[0].vectors_MD.numpy()
    assert np.array_equal(in_plane(vectors, pictures="umap", seed=3), vectors[:, :2].astype(np.float64))


def test_the_lack_of_umap_is_told_at_once(monkeypatch):
    monkeypatch.setattr(hierarchy_benchmark, "find_spec", lambda name: None)
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[umap\]'"):
        Hierarchy(pictures="umap")
    Hierarchy(pictures="tsne")


@pytest.mark.parametrize("counts", [[0, 0, 3], [5, 5, 5], [1, 30, 4000], [25, 28, 31]])
def test_any_counts_can_be_drawn(counts):
    content = frequency_plot(np.array(counts), np.array([0.0, 0.5, 1.0]), many=100, few=20)
    assert Image.open(io.BytesIO(content)).size[0] > 300


def test_a_model_without_errors_can_be_drawn():
    assert height_plot(np.eye(8)[0], np.full(8, 1 / 8)) != height_plot(np.eye(8)[1], np.full(8, 1 / 8))
