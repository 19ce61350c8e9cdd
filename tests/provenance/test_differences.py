"""What is not as it was, and what it means for the promise of equal bits."""

from __future__ import annotations

from typing import Any

import pytest

from clipbio.provenance.differences import Difference, differences, is_exact

RUN: dict[str, Any] = {
    "git": {"commit": "a", "changed": False},
    "source_hash": "s",
    "python": "3.11",
    "host": "one",
    "data_manifest": "d",
    "stream_manifests": {"replay": "r"},
    "world_size": 1,
    "machine": {"cpu": "x", "gpus": [], "usable_cores": 2},
    "torch": {"threads": 1, "cpu_capability": "AVX2"},
    "environment": {"OMP_NUM_THREADS": "1"},
    "seed": 0,
}
PACKAGES = {"torch": "2.0", "mkdocs": "1.0"}
CPU = {"trainer": {"accelerator": "cpu"}, "compile": False}


def found(packages: dict[str, str] = PACKAGES, **changed: Any) -> list[Difference]:
    return differences(RUN, {**RUN, **changed}, packages=(PACKAGES, packages))


def test_nothing_differs_from_itself() -> None:
    assert found() == []
    assert is_exact(RUN, CPU, [])


@pytest.mark.parametrize(
    ("changed", "what", "decisive"),
    [
        ({"source_hash": "t"}, "source of clipbio", True),
        ({"git": {"commit": "b", "changed": False}}, "commit", False),
        ({"python": "3.12"}, "Python", True),
        ({"host": "two"}, "host", False),
        ({"data_manifest": "e"}, "data", True),
        ({"stream_manifests": {"replay": "q"}}, "data.streams.replay", True),
        ({"world_size": 2}, "processes", True),
        ({"machine": {**RUN["machine"], "cpu": "y"}}, "CPU", True),
        ({"machine": {**RUN["machine"], "usable_cores": 4}}, "cores", False),
        ({"torch": {**RUN["torch"], "threads": 2}}, "torch: threads", True),
        ({"environment": {}}, "OMP_NUM_THREADS", True),
        ({"environment": {**RUN["environment"], "PYTHONHASHSEED": "1"}}, "PYTHONHASHSEED", False),
        ({"seed": 1}, "seed", True),
        ({"packages": {**PACKAGES, "torch": "2.1"}}, "torch", True),
        ({"packages": {"torch": "2.0"}}, "other packages", False),
    ],
)
def test_each_thing_that_differs_is_named(changed: dict[str, Any], what: str, decisive: bool) -> None:
    (one,) = found(**changed)
    assert (one.what, one.decisive) == (what, decisive)
    assert is_exact(RUN, CPU, [one]) is not decisive


def test_code_that_changed_between_two_attempts_is_told() -> None:
    run = {**RUN, "attempts": [{"source_hash": "older"}, {"source_hash": "s"}]}
    (one,) = differences(run, RUN, packages=({}, PACKAGES))
    assert (one.what, one.then, one.decisive) == ("source of clipbio", "older and s", True)


def test_a_run_that_told_little_promises_nothing() -> None:
    run = {"git": {"commit": "a"}, "world_size": 1, "data_manifest": "d", "seed": 0}
    assert differences(run, RUN, packages=({}, PACKAGES)) == []
    assert not is_exact(run, CPU, [])


@pytest.mark.parametrize("config", [{"trainer": {"accelerator": "gpu"}}, {**CPU, "compile": True}])
def test_gpus_and_compiled_code_promise_no_bits(config: dict[str, Any]) -> None:
    assert not is_exact(RUN, config, [])
    assert not is_exact({**RUN, "world_size": 2}, CPU, [])
