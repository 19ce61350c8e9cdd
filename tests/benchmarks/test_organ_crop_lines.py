"""Figures of the study of organ crops: paired by seed, and never of runs with other settings."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import organ_crops

    return organ_crops


def answer(study, value: float) -> dict:
    return {"metrics": dict.fromkeys(study.Study().figures, value), "seconds": 3.0}


def test_differences_are_those_of_one_seed(study, capsys):
    figure = "zero_shot/unseen/description/top1"
    study._print("crops_true", figure, [answer(study, 0.5), answer(study, 0.3)], [answer(study, 0.2)] * 2)
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["name"] == f"organ_crops/crops_true/{figure}"
    assert (line["ours"], line["peer"], line["difference"]) == (0.4, 0.2, 0.2)
    assert line["difference_seeds"] == [0.3, 0.1]


def test_finished_runs_are_not_repeated_but_others_are_refused(study, tmp_path):
    size = study.Study(steps=3, crops=("data.streams.crops.share=2",))
    path = tmp_path / "sheets" / "answer.json"
    path.parent.mkdir()
    settings = {name: value for name, value in asdict(size).items() if name != "crops"}
    path.write_text(json.dumps({"settings": {**settings, "seed": 1}, "metrics": {}}))
    assert study._arm(tmp_path, 1, "sheets", size, None)["metrics"] == {}
    # Settings of crops say nothing of sheets alone.
    assert study._arm(tmp_path, 1, "sheets", study.Study(steps=3), None)["metrics"] == {}
    with pytest.raises(SystemExit, match="comes from other settings"):
        study._arm(tmp_path, 1, "sheets", study.Study(steps=4), None)


def test_both_arms_train_alike(study):
    """Steps and pictures of a batch stand in what the arms share, and the experiment of crops is overridden by it."""
    shared = study._training(study.Study(), 0)
    assert {"data.batch_size=128", "duration=200 steps", "text=description"} <= set(shared)
