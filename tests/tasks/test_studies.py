"""What searches draw, and what they draw from."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from clipbio.errors import ClipbioError
from clipbio.studies import distribution, open_study, sampler
from clipbio.tasks.search_space import as_override, split_overrides

SPACE = {"optim.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "kind": ["a", "b", "c"]}


def drawn(path: Path, kind: str, numbers: range) -> list[dict[str, object]]:
    """Draw trials in a process that may have just begun, and tell their values."""
    study = open_study(path, mode="max")
    space = {key: distribution(key, values) for key, values in SPACE.items()}
    found = []
    for number in numbers:
        study.sampler = sampler(kind, seed=3, number=number, first=3)
        trial = study.ask(space)
        study.tell(trial, float(trial.params["optim.lr"]))
        found.append(dict(trial.params))
    return found


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_continued_search_draws_what_an_undisturbed_one_does(tmp_path: Path, kind: str) -> None:
    whole = drawn(tmp_path / "whole", kind, range(6))
    parts = drawn(tmp_path / "parts", kind, range(2)) + drawn(tmp_path / "parts", kind, range(2, 6))
    assert parts == whole
    assert len({one["optim.lr"] for one in whole}) == 6
    assert all(1e-4 <= float(str(one["optim.lr"])) <= 1e-2 for one in whole)


def test_the_command_line_changes_the_space() -> None:
    arguments = ["run_dir=x", "a=1,2", "b=interval(1,5)", "c=tag(log,interval(0.1,1.0))", "seed=range(2)", "fixed=3"]
    shared, space = split_overrides(OverridesParser.create().parse_overrides(arguments), SPACE | {"fixed": [1, 2]})
    assert shared == ["run_dir=x", "fixed=3"]
    assert space == SPACE | {
        "a": ["1", "2"],
        "b": {"low": 1.0, "high": 5.0, "log": False},
        "c": {"low": 0.1, "high": 1.0, "log": True},
        "seed": ["0", "1"],
    }
    assert as_override("a", "{rank: 4}") == "a={rank: 4}"
    assert as_override("a", None) == "a=null"
    assert as_override("a", 1e-5) == "a=1e-05"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (3, "space of x: give a list, or"),
        ({"low": 1}, "space of x: give a list, or"),
        ({"low": 1, "high": 2, "lgo": True}, "space of x: lgo is no setting"),
        ({"low": 0, "high": 2, "log": True}, "space of x: "),
        ({"low": 3, "high": 2}, "space of x: "),
    ],
)
def test_a_wrong_space_is_told_by_its_setting(values: object, told: str) -> None:
    with pytest.raises(ClipbioError, match=told):
        distribution("x", values)


def test_wrong_samplers_and_pruners_name_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="sampler=tpr is unknown; did you mean 'tpe'"):
        sampler("tpr", seed=0, number=0)
    with pytest.raises(ClipbioError, match=r"prune\.kind=best is unknown"):
        open_study(tmp_path / "a", mode="max", pruner={"kind": "best"})
    with pytest.raises(ClipbioError, match=r"prune\.run is no setting; did you mean 'runs'"):
        open_study(tmp_path / "a", mode="max", pruner={"run": 4})
