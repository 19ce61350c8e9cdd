"""The published recipes: trained, stopped, continued and evaluated on data of the published layout, with small towers."""

import json
import shutil
from collections import Counter
from pathlib import Path

import published_sets
import published_shards as made
import pytest
import torch
from runs import here, lines

from clipbio.errors import ClipbioError
from clipbio.training.module import ContrastiveModule

SMALL = (
    "debug=fast", "progress=false", "trainer=cpu", "callbacks=sample_log", "benchmark.zero_shot.bootstrap=20",
    "data.evaluation_batch_size=8", "optim.warmup=2 steps",
)  # fmt: skip
TINY = ("model.name=clipbio:clipbio_tiny", "model.pretrained=null")


def cut_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let training end at a step."""
    step_of = ContrastiveModule.training_step

    def training_step(self, *args, **more):
        if self.global_step == step:
            raise ClipbioError("power cut")
        return step_of(self, *args, **more)

    monkeypatch.setattr(ContrastiveModule, "training_step", training_step)


def run_through(experiment: str, base: Path, capsys, *overrides: str) -> Path:
    """Train a recipe until a power cut, continue it to its end, and return its folder."""
    run = base / "run"
    given = [f"experiment={experiment}", *SMALL, *overrides, f"run_dir={run}", f"cache_dir={base / 'cache'}"]
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, 3)
        status, _, err = here(capsys, "train", *given)
    assert status != 0
    assert "power cut" in err
    status, out, err = here(capsys, "train", *given, "resume=auto")
    assert status == 0, err
    assert "resumed at step 2" in out
    steps = lines(run / "samples" / "rank-0.jsonl")
    assert [step["step"] for step in steps] == [0, 1, 2, 3]
    validated = [line for line in lines(run / "metrics.jsonl") if "zero_shot/val/mean/top1" in line]
    assert len(validated) == 2
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert any("zero_shot/val/mean/top1" in key for key in best["callbacks"])
    return run


def streams_of(run: Path) -> list[Counter[str]]:
    """Return how many rows of each stream every step had."""
    return [Counter(step["streams"]) for step in lines(run / "samples" / "rank-0.jsonl")]


def projections(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the visual projections."""
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    start = "model.towers.image.projections."
    return {key.removeprefix(start).partition(".")[0]: value for key, value in weights.items() if key.startswith(start)}


def evaluated(run: Path, base: Path, capsys) -> tuple[dict[str, float], str]:
    """Evaluate a run on Rare Species as published; return the figures and the report."""
    sets, out = base / "sets", base / "out"
    published_sets.SETS["rare_species"](sets / "rare_species")
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={run}", "benchmark=[rare_species]", f"benchmark_root={sets}",
        "protocol=[clipbio,bioclip_v1]", f"run_dir={out}", f"cache_dir={base / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    return json.loads((out / "metrics.json").read_text()), (out / "report.md").read_text()


def test_bioclip_trains_on_its_shards_and_its_evaluation_stands_beside_the_published_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = made.tree_of_life_10m(tmp_path / "tol")
    run = run_through("bioclip", tmp_path, capsys, *TINY, f"data.root={root}", "data.batch_size=16")
    assert streams_of(run) == [Counter(main=16)] * 4
    metrics, report = evaluated(run, tmp_path, capsys)
    for task in ("zero_shot", "zero_shot_bioclip_v1"):
        assert 0 <= metrics[f"{task}/rare_species/taxonomic_common/top1"] <= 1
    # 38.0 in two tables of the paper, 37.1 in BioCLIP 2 for the same weights; each beside both protocols.
    table = report.partition("Beside published figures")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| zero") and "top1" in line]
    assert [row[2] for row in rows] == ["38.0", "38.0", "37.1"] * 2
    # Weights of other training, without a published recipe, are put beside nothing.
    out = tmp_path / "asked"
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={run}", "benchmark=[rare_species]", f"benchmark_root={tmp_path / 'sets'}",
        "model=openclip", *TINY, f"run_dir={out}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    assert "Beside published figures" not in (out / "report.md").read_text()


def test_bioclip_inat21_is_prepared_from_its_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = tmp_path / "shards"
    status, _, err = here(
        capsys, "prepare", "source=folder", f"source.root={made.inat21(tmp_path / 'inat21')}", f"out={shards}",
        "progress=false",
    )  # fmt: skip
    assert status == 0, err
    run = run_through("bioclip_inat21", tmp_path, capsys, *TINY, f"data.root={shards}", "data.batch_size=8")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["zero_shot/val/taxonomic_common/top1/n"] == 6
    assert metrics["zero_shot/val/taxonomic_common/top1/chance"] == pytest.approx(1 / 3)


def test_bioclip2_replays_captioned_pictures_through_a_projection_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, pairs = made.tree_of_life_200m(tmp_path / "tol"), made.laion(tmp_path / "laion")
    run = run_through(
        "bioclip2", tmp_path, capsys, *TINY, f"data.root={root}", f"data.streams.replay.root={pairs}",
        "data.batch_size=49",
    )  # fmt: skip
    # A sixty-fourth of what each of the 32 processes takes.
    assert streams_of(run) == [Counter(main=44, replay=5)] * 4
    for line in (line for line in lines(run / "metrics.jsonl") if "train/loss" in line):
        assert line["train/loss"] == pytest.approx(line["train/loss/default"] + line["train/loss/replay"], rel=1e-5)
        assert line["train/logit_scale"] == line["train/logit_scale/replay"]
    found = projections(run)
    assert not torch.equal(found["default"], found["replay"])
    # Evaluation needs neither the replayed pictures nor their projection.
    shutil.rmtree(pairs)
    metrics, report = evaluated(run, tmp_path, capsys)
    assert metrics["zero_shot/rare_species/taxonomic_common/top1/n"] == 3
    assert "| 76.8 |" in report


def test_biocap_learns_captions_with_a_projection_and_a_temperature_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = made.tree_of_life_10m(tmp_path / "tol", captions=True)
    run = run_through("biocap", tmp_path, capsys, *TINY, f"data.root={root}", "data.batch_size=12")
    assert streams_of(run) == [Counter(main=10, captions=2)] * 4
    logged = [line for line in lines(run / "metrics.jsonl") if "train/loss" in line]
    for line in logged:
        weighted = (5 * line["train/loss/default"] + line["train/loss/captions"]) / 6
        assert line["train/loss"] == pytest.approx(weighted, rel=1e-5)
    assert logged[-1]["train/logit_scale"] != logged[-1]["train/logit_scale/captions"]
    found = projections(run)
    assert not torch.equal(found["default"], found["captions"])
    _, report = evaluated(run, tmp_path, capsys)
    assert "| 44.2 |" in report
