"""The evaluation benchmarks at a tiny size give the lines of the contract; here all in one process, which saves time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def evaluation(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("evaluation_simpleshot", "evaluation_probe"):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "alone", lambda function, *arguments: function(*arguments))
    return importlib.import_module("evaluation")


def test_simpleshot_and_probe_give_their_lines(evaluation, monkeypatch, capsys) -> None:
    cases = ["evaluation/simpleshot_nabirds", "evaluation/probe_nabirds"]
    monkeypatch.setattr(sys, "argv", ["evaluation.py", *cases, "--scale=0.01"])
    evaluation.main()
    shot, probe = map(json.loads, capsys.readouterr().out.splitlines())
    assert [shot["name"], probe["name"]] == cases
    for one in (shot, probe):
        assert one["unit"] == "s"
        assert one["ratio"] == pytest.approx(one["peer"] / one["ours"], rel=5e-3)
    assert shot["equal_answers"] > 0.99
    assert 0.2 < shot["accuracy"][0] < shot["accuracy"][1] <= 1
    assert min(probe["top1"]) > 0.3


def test_unknown_cases_are_refused(evaluation, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluation.py", "evaluation/speed"])
    with pytest.raises(SystemExit, match="unknown case 'evaluation/speed'; there are: evaluation/simpleshot_nabirds"):
        evaluation.main()
