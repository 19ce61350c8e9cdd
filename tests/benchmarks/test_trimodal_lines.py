"""Figures of the study of incomplete species on real data."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import trimodal_real

    return trimodal_real


def test_intervals_redraw_whole_species(study):
    right = np.repeat([1.0, 0.0, 1.0, 0.0], 50)
    species, alone = (study.Judged(right, unit) for unit in (np.repeat([7, 8, 9, 3], 50), np.arange(200)))
    wide, narrow = (study.line("all", "image_to_dna", "species", one) for one in (species, alone))
    assert (wide["top1"], wide["n"]) == (0.5, 200)
    assert (wide["low"], wide["high"]) == (0, 1)
    assert narrow["high"] - narrow["low"] < 0.2


def test_species_without_a_barcode_stand_alone(study):
    right, species = np.array([1.0, 0.5, 0.0, 1.0]), np.array([7, 3, 7, 9])
    found = study.without(study.Judged(right, species), study.Judged(np.ones(2), np.array([3, 9])))
    assert (found.right_Q.tolist(), found.species_Q.tolist()) == ([1.0, 0.0], [7, 7])


@pytest.mark.parametrize(
    ("ids", "barcodes", "told"),
    [(["c"], ["z"], ""), (["b"], ["z"], "1 ids of test in B"), (["c", "d"], ["y", ""], "1 barcodes of test in B")],
)
def test_what_is_judged_was_not_trained_on(study, monkeypatch, ids, barcodes, told):
    splits = {
        ("A", "train"): SimpleNamespace(ids=["a", "b", "e"], dna_digests=["x", "y", ""]),
        ("B", "test"): SimpleNamespace(ids=ids, dna_digests=barcodes),
    }
    opened = SimpleNamespace(open=lambda path: SimpleNamespace(index=lambda split: splits[str(path), split]))
    monkeypatch.setattr(study, "ShardFolder", opened)
    if not told:
        study.check_apart(Path("A"), Path("B"))
        return
    with pytest.raises(SystemExit, match=told):
        study.check_apart(Path("A"), Path("B"))
