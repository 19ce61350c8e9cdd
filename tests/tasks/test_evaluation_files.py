"""What an evaluation leaves beside its numbers."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import here

from clipbio.evaluation.answer_files import read_answers


def evaluate(capsys: pytest.CaptureFixture[str], folder: Path, garden: Path, *overrides: str) -> dict[str, object]:
    status, _, err = here(
        capsys, "evaluate", "model=tiny", "data=table", f"data.root={garden}", "data.num_workers=0", "splits=[test]",
        f"cache_dir={folder.parent / 'cache'}", "benchmark.zero_shot.permutations=0", f"run_dir={folder}", *overrides,
    )  # fmt: skip
    assert status == 0, err
    return json.loads((folder / "evaluation.json").read_text())


def test_an_evaluation_says_what_was_measured(
    make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garden = make_garden(species=3, per_species=4)
    first = evaluate(capsys, tmp_path / "one", garden)
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    answers = read_answers(tmp_path / "one" / "answers.parquet")
    for key in ("zero_shot/test/common/top1", "retrieval/test/image_to_text/mAP"):
        assert answers[key].value_N.mean() == pytest.approx(metrics[key])
        assert metrics[f"{key}/low_species"] <= metrics[key] <= metrics[f"{key}/high_species"]
    split = first["splits"]["test"]
    assert (split["specimens"], split["images"], split["classes"], split["skipped"]) == (12, 12, 3, 0)
    assert first["templates"]["zero_shot"]["id"] == "photo@1"
    assert first["precision"]["vectors"] == "float32"
    results = [json.loads(path.read_text()) for path in (tmp_path / "one" / "clip_benchmark").glob("*.json")]
    assert {one["task"] for one in results} == {"zeroshot_classification", "zeroshot_retrieval"}
    assert {one["hashes"]["weights"] for one in results} == {first["model"]["weights"]}
    page = (tmp_path / "one" / "report.html").read_text()
    assert "What was measured" in page
    assert '<small class="below">species ' in page

    # Other weights and prompts have other hashes; data and classes are the same.
    second = evaluate(
        capsys,
        tmp_path / "two",
        garden,
        "model.seed=1",
        "benchmark.zero_shot.template=[photo,plain]",
        "species_intervals=false",
    )
    assert second["model"]["weights"] != first["model"]["weights"]
    assert second["templates"]["zero_shot@plain"]["hash"] != first["templates"]["zero_shot"]["hash"]
    assert second["templates"]["zero_shot@photo"] == first["templates"]["zero_shot"]
    assert (second["data"], second["splits"]) == (first["data"], first["splits"])
    assert not any(key.endswith("_species") for key in json.loads((tmp_path / "two" / "metrics.json").read_text()))


def test_a_figure_that_is_no_number_does_not_cost_the_others(
    make_garden: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = "zero_shot/test/common/top3"
    monkeypatch.setattr(
        "clipbio.tasks.results.with_species_intervals",
        lambda metrics, answers, seed: dict(metrics) | {broken: math.nan, f"{broken}/n": 6.0},
    )
    evaluate(capsys, tmp_path / "one", make_garden(species=3, per_species=2), "benchmark=[zero_shot]")
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert broken not in metrics
    assert "zero_shot/test/common/top1" in metrics
    assert (tmp_path / "one" / "report.html").exists()
