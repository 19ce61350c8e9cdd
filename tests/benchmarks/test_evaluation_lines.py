"""The evaluation benchmarks at a tiny size print the lines of the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / "evaluation.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_simpleshot_and_probe_print_their_lines() -> None:
    done = run("evaluation/simpleshot_nabirds", "evaluation/probe_nabirds", "--scale=0.01")
    assert done.returncode == 0, done.stderr
    shot, probe = map(json.loads, done.stdout.splitlines())
    assert (shot["name"], probe["name"]) == ("evaluation/simpleshot_nabirds", "evaluation/probe_nabirds")
    for one in (shot, probe):
        assert one["unit"] == "s"
        assert one["ratio"] == pytest.approx(one["peer"] / one["ours"], rel=5e-3)
    assert shot["equal_answers"] > 0.99
    assert 0.2 < shot["accuracy"][0] < shot["accuracy"][1] <= 1
    assert min(probe["top1"]) > 0.3


def test_unknown_cases_are_refused() -> None:
    done = run("evaluation/speed")
    assert done.returncode == 1
    assert "unknown case 'evaluation/speed'; there are: evaluation/simpleshot_nabirds" in done.stderr
