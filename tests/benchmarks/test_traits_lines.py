"""The line of `traits.py` on the virtual herbarium, and its peer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def traits(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import traits

    return traits


def test_a_set_has_both_figures_and_those_of_each_property(traits, monkeypatch, capsys):
    monkeypatch.setattr(traits, "NUM_VIRTUAL", 20)
    monkeypatch.setattr(sys, "argv", ["traits.py", "traits/virtual"])
    traits.main()
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert line["name"] == "traits/virtual"
    assert line["num_texts"] == 20
    assert line["ours"] > 0.95 > line["peer"] > 0.3
    assert line["ratio"] == pytest.approx(line["ours"] / line["peer"], rel=1e-2)
    assert set(line["precision"]) == set(line["recall"]) == set(line["num"]) >= {"all", "colour", "shape", "length"}
    assert len(line["texts_per_second"]) == 2


def test_the_peer_takes_the_nearest_organ(traits):
    found = traits.nearest_organ("Leaves ovate; flowers with green, notched petals, 3 cm long.", "plants")
    assert {(one.characters[0], one.value) for one in found} == {
        ("leaf shape", "ovate"),
        ("flower colour", "green"),
        ("petal shape", "notched"),
        ("petal shape", "long"),
        ("petal length", "30 mm"),
    }


def test_sets_with_texts_of_others_need_their_folder(traits, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["traits.py", "traits/leeds"])
    with pytest.raises(SystemExit):
        traits.main()
    assert "--shared=FOLDER" in capsys.readouterr().err
