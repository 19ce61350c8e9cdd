from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from forks import Run
from runs import SMALL, here

from clipbio.config import compose, plain
from clipbio.errors import ClipbioError
from clipbio.training.validity import check_config


@pytest.fixture
def leaky(make_garden) -> Path:
    """A garden in which a picture of train stands in test under another id."""
    root: Path = make_garden(splits=("train", "val", "test"))
    shutil.copy(root / "images" / "train-0-1.jpg", root / "images" / "test-2-3.jpg")
    return root


def train(capsys, root: Path, *overrides: str) -> tuple[int, str, str]:
    return here(capsys, "train", *SMALL, f"data.root={root}", "duration=1 steps", f"cache_dir={root}/cache", *overrides)


def test_the_verb_tells_what_leaks_and_fails_only_when_strict(leaky, tmp_path, capsys) -> None:
    given = [f"root={leaky}", f"cache_dir={tmp_path}/cache"]
    status, told, errors = here(capsys, "audit", *given, f"out={tmp_path}/out")
    assert status == 0, errors
    assert "leak: train and test share 1 image (1 and 1 specimens; first 'train-0-1' and 'test-2-3')" in told
    found = json.loads((tmp_path / "out" / "leakage.json").read_text())
    assert [(one["first"], one["second"], one["kind"]) for one in found["overlaps"] if one["leak"]] == [
        ("train", "test", "image")
    ]
    status, _, errors = here(capsys, "audit", *given, "strict=true")
    assert status == 2
    assert "leakage: train and test share 1 image (1 and 1 specimens; first 'train-0-1' and 'test-2-3')" in errors


def test_the_verb_compares_two_folders(make_garden, tmp_path, capsys) -> None:
    roots = [make_garden("one", splits=("train",)), make_garden("two", splits=("test",), first=9)]
    status, told, _ = here(
        capsys, "audit", f"root={roots[0]}", f"other={roots[1]}", f"cache_dir={tmp_path}/cache", "strict=true"
    )
    assert status == 0
    assert "no leaks in 1 pairs of splits" in told


def test_training_warns_of_leakage_and_the_report_says_so(leaky, tmp_path, capsys) -> None:
    folder = tmp_path / "run"
    status, _, errors = train(capsys, leaky, f"run_dir={folder}")
    assert status == 0, errors
    assert "train and test share 1 image" in " ".join(errors.split())
    assert json.loads((folder / "leakage.json").read_text())["leaks"] == 1
    assert "train and test share 1 image" in (folder / "report.md").read_text()


def test_training_refuses_leakage_when_asked_to(leaky, tmp_path, capsys) -> None:
    folder = tmp_path / "run"
    status, _, errors = train(capsys, leaky, f"run_dir={folder}", "leakage=refuse")
    assert status == 2
    assert "go on with leakage=warn" in errors
    assert not (folder / "checkpoints").exists() or not list((folder / "checkpoints").iterdir())
    status, _, errors = train(capsys, leaky, f"run_dir={tmp_path}/off", "leakage=off")
    assert status == 0, errors
    assert not (tmp_path / "off" / "leakage.json").exists()


def test_another_stream_is_audited_against_what_is_evaluated(make_garden, tmp_path, capsys) -> None:
    own, other = make_garden("own", splits=("train", "val", "test")), make_garden("other", splits=("train",), first=9)
    with (other / "specimens.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[0]["specimen_id"] = "test-1-1"
    with (other / "specimens.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    folder = tmp_path / "run"
    more = [f"+data.streams.more.root={other}", "+data.streams.more.share=0.5", "+text@data.streams.more.text=common"]
    status, _, errors = train(capsys, own, f"run_dir={folder}", *more)
    assert status == 0, errors
    found = json.loads((folder / "leakage.json").read_text())
    assert found["specimens"]["stream more"] == 24
    leaks = [(one["first"], one["second"], one["kind"]) for one in found["overlaps"] if one["leak"]]
    assert leaks == [("test", "stream more", "specimen")]


def test_a_wrong_choice_is_refused() -> None:
    with pytest.raises(ClipbioError, match="leakage=maybe must be warn, refuse or off"):
        check_config(plain(compose("train", ["leakage=maybe"])))


def test_all_processes_learn_of_a_refusal(leaky, tmp_path) -> None:
    given = [*SMALL, "leakage=refuse", f"data.root={leaky}", "duration=1 steps", f"cache_dir={leaky}/cache"]
    run = Run(tmp_path / "run", given, processes=2)
    assert run.codes() == [2, 2], run.told
    assert "leakage: train and test share 1 image" in run.told
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
