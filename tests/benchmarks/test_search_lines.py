"""The search benchmarks at a tiny size give the lines of the contract; here all in one process, which saves time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faiss")

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
ROWS = 3000


@pytest.fixture
def search(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("search_sides", "search_server", "search"):
        monkeypatch.setattr(importlib.import_module(name), "alone", lambda function, *given: function(*given))
    monkeypatch.setattr(importlib.import_module("search_world"), "_model_facts", lambda model: {})
    return importlib.import_module("search")


def test_searches_and_an_append_give_their_lines(search, monkeypatch, capsys, tmp_path) -> None:
    cases = ["search/exact_1m", "search/ann_1m", "search/append_10k"]
    monkeypatch.setattr(importlib.import_module("search_server"), "APPENDED", 500)
    given = [f"--folder={tmp_path}", f"--rows={ROWS}", "--queries=10"]
    monkeypatch.setattr(sys, "argv", ["search.py", *cases, *given])
    search.main()
    exact, ann, append = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["name"] for line in (exact, ann, append)] == cases
    for line in (exact, ann, append):
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"], rel=5e-3)
    # Exact is exact: the same rows as the whole product gives, which has the filter from elsewhere.
    assert exact["recall@10"] == [1, 1]
    assert min(ann["recall@10"]) > 0.9
    assert 0.55 < exact["cosine_to_centre"] < 0.65
    # The index that the cases share is still the one that was made.
    folder = importlib.import_module("clipbio.search.folder").IndexFolder.open(next(tmp_path.glob("search-*lite")))
    assert len(folder) == ROWS


def test_the_filter_keeps_the_rows_that_the_peers_are_told(search, tmp_path) -> None:
    world_module = importlib.import_module("search_world")
    world = world_module.World(tmp_path, 12_000)
    halves = [one.metadata["half"] for batch in world_module.batches(world, 0, world.rows) for one in batch.specimens]
    assert (np.array(halves) == "left").tolist() == world_module.left_half(world).tolist()


def test_unknown_cases_are_refused(search, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["search.py", "search/speed"])
    with pytest.raises(SystemExit, match="unknown case 'search/speed'; there are: search/exact_1m"):
        search.main()
