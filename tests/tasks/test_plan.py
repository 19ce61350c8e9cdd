"""The plan of a run: what it says, what it refuses, and that the run does it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forks import Run
from gardens import write_garden
from runs import SMALL, here, lines, samples

from clipbio.config import compose, plain
from clipbio.distributed import World
from clipbio.tasks.building import build_model
from clipbio.tasks.parts import build_data
from clipbio.tasks.plan import RunPlan, TowerPlan, encoded_once
from clipbio.tasks.plan_warnings import plan_warnings
from clipbio.training.estimates import Estimate
from clipbio.training.schedule import multiplier

PLAN = RunPlan(
    processes=2, nodes=1, device="cpu", strategy="ddp", precision="32-true", batch_size=64, per_process=32,
    micro_batch_size=32, accumulated=1, streams={"main": 48, "replay": 16}, species={"main": 100, "replay": 100},
    negatives={"default": 63}, specimens=960, epochs=10.0, steps_per_epoch=15.0, steps=150, warmup_steps=15,
    schedule="cosine", validation_steps=15, checkpoint_every=15, scale_lr="none", lr=1e-3,
    towers={"image": TowerPlan(100, 60, "trained", False, 1e-5), "text": TowerPlan(100, 0, "frozen", True, None)},
    head_parameters=1, memory=Estimate(2**30, 2**31), memory_total=2**34, seconds_per_step=Estimate(0.5, 2.0), seconds_encoding=None,
)  # fmt: skip


def warnings(targets: str = "taxon", workers: int = 2, sharing: int = 1, **changes: object) -> list[str]:
    plan = dataclasses.replace(PLAN, **changes)  # type: ignore[arg-type]
    return list(plan_warnings(plan, targets=targets, workers=workers, sharing=sharing, cores=4))


def test_a_sound_plan_has_no_warning() -> None:
    assert warnings() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warmup_steps": 76}, "optim.warmup takes 76 of 150 steps"),
        ({"micro_batch_size": 12}, "micro_batch_size=12 does not divide the 32 specimens of a process: the last piece has 8"),
        ({"accumulated": 4}, "trainer.accumulate_grad_batches=4"),
        ({"species": {"main": 47, "replay": 100}, "targets": "instance"}, "the 48 rows of main in a batch are of at most 47"),
        ({"workers": 5}, "data.num_workers starts 5 readers on 4 cores"),
        ({"memory": Estimate(2**34 + 1, 2**35)}, "lower data.batch_size, or set micro_batch_size"),
        ({"memory": Estimate(2**33 + 1, 2**34), "sharing": 2}, "16 GiB of memory are needed at least"),
    ],
)  # fmt: skip
def test_each_oddity_is_told_with_its_setting(changes: dict[str, object], words: str) -> None:
    (found,) = warnings(**changes)  # type: ignore[arg-type]
    assert words in found


def test_the_limits_themselves_are_no_oddities() -> None:
    assert warnings(warmup_steps=75, species={"main": 48, "replay": 16}, targets="instance", workers=4) == []


def test_what_a_person_reads() -> None:
    rows = dataclasses.replace(PLAN, micro_batch_size=16, scale_lr="sqrt").rows()
    assert rows["processes"] == "2 on 1 node, cpu, strategy ddp, 32-true"
    assert rows["batch"] == "64 specimens = 2 x 32 (processes x specimens), encoded 16 at a time"
    assert rows["streams"] == "main 48 (24 per process), replay 16 (8 per process)"
    assert rows["length"] == "150 steps = 10 epochs of 15 steps (960 specimens)"
    assert rows["schedule"] == "15 steps of warm-up (10%), then cosine"
    assert rows["learning rate"] == "0.001 (scaled: sqrt)"
    assert rows["image tower"] == "60 of 100 parameters trained, rate 1e-05"
    assert rows["text tower"] == "frozen, features cached"
    assert rows["memory"].startswith("1 GiB to 2 GiB per process")
    assert rows["time"].startswith("0.5 s to 2 s per step, 1.25 min to 5 min in all")


def test_cached_trunks_are_told_by_what_they_encode_once() -> None:
    assert "encoding" not in PLAN.rows()
    rows = dataclasses.replace(PLAN, seconds_per_step=Estimate(0, 0), seconds_encoding=Estimate(30, 600)).rows()
    assert rows["encoding"].startswith("30 s to 10 min before the first step")
    assert rows["time"] == "no trunk runs in a step: measured in the first steps"


def test_every_specimen_is_encoded_once(make_garden: Callable[..., Path], tmp_path: Path) -> None:
    config = plain(compose("train", ["data=table", f"data.root={make_garden()}", f"cache_dir={tmp_path / 'cache'}",
                                     "model=tiny", "data.batch_size=8", "model.image.unlocked=0", "model.text.unlocked=0"]))  # fmt: skip
    model, data = build_model(config, load_weights=False), build_data(config, World())
    towers = {name: TowerPlan(1, 0, "projection trained", True, None) for name in model.modalities}
    (image,) = encoded_once(model, towers, data, World(0, 2))
    assert image.rows == -(-sum(map(len, data.splits.values())) // 2)
    assert image.flops > 0
    assert (
        encoded_once(
            model, {name: dataclasses.replace(one, cached=False) for name, one in towers.items()}, data, World()
        )
        == []
    )


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    base = tmp_path_factory.mktemp("plan")
    garden = write_garden(base / "garden", species=4, per_species=8, splits=("train", "test"))
    return [*SMALL, f"data.root={garden}", f"cache_dir={base / 'cache'}", "duration=8 steps", "optim.warmup=3 steps",
            "optim.scale_lr=linear", "optim.base_batch_size=4", "model.image.lr=1e-4"]  # fmt: skip


def test_a_dry_run_tells_the_plan_and_writes_nothing(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    status, out, err = here(capsys, "train", *overrides, "dry_run=true", f"run_dir={folder}")
    assert status == 0, err
    assert not folder.exists()
    assert "3 steps of warm-up (38%)" in out
    assert "8 specimens" in out


def test_a_warm_up_longer_than_the_run_is_refused(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = here(
        capsys, "train", *overrides, "optim.warmup=90 steps", "dry_run=true", f"run_dir={tmp_path / 'run'}"
    )
    assert status == 2
    assert "optim.warmup='90 steps' is 90 steps, longer than the run of 8 steps" in err


def test_two_processes_do_what_the_plan_says(overrides: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Run(folder, [*overrides, "micro_batch_size=2"], processes=2).finish()
    plan = json.loads((folder / "plan.json").read_text())
    assert (plan["processes"], plan["batch_size"], plan["per_process"], plan["micro_batch_size"]) == (2, 8, 4, 2)
    steps = samples(folder)
    assert len(steps) == plan["steps"] == 8
    assert {len(ids) for _, ids in steps} == {plan["batch_size"]}
    for rank in range(2):
        assert {len(line["ids"]) for line in lines(folder / "samples" / f"rank-{rank}.jsonl")} == {plan["per_process"]}
    assert plan["negatives"] == {"default": 7}
    assert plan["warmup_steps"] == 3
    assert (plan["lr"], plan["towers"]["image"]["lr"]) == pytest.approx((1e-3, 2e-4))
    rates = [line for line in lines(folder / "metrics.jsonl") if "lr/image" in line]
    assert len(rates) == 8
    for step, line in enumerate(rates):
        factor = multiplier(step, schedule=plan["schedule"], warmup=plan["warmup_steps"], total=plan["steps"])
        assert line["lr/image"] == pytest.approx(plan["towers"]["image"]["lr"] * factor, rel=1e-5, abs=1e-12)
        assert line["lr/text"] == pytest.approx(plan["lr"] * factor, rel=1e-5, abs=1e-12)
    validated = [line["step"] for line in lines(folder / "metrics.jsonl") if "zero_shot/val/mean/top1" in line]
    assert len(validated) == 8 // plan["validation_steps"]
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    trained = sum(tower["trained"] for tower in plan["towers"].values()) + plan["head_parameters"]
    moments = checkpoint["optimizer_states"][0]["state"].values()
    assert sum(one["exp_avg"].numel() for one in moments) == trained
    assert plan["measured"]["seconds_per_step"] > 0
    assert plan["measured"]["peak_bytes"] > plan["memory"]["low"]
