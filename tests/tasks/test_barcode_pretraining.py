"""Pretraining on barcodes alone: a run, what it measures, and who may use its trunk."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipbio.config import compose, instantiate, plain
from clipbio.distributed import World
from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.losses import MaskedTokens
from clipbio.models import ConvDna, towers
from clipbio.tasks.barcodes import column_counts
from clipbio.tasks.evaluate import evaluate
from clipbio.tasks.parts import build_data
from clipbio.tasks.train import train
from clipbio.training.masked import check_alone, join_tokens

SMALL = [
    *("model/dna=conv", "model.dna.width=16", "model.dna.layers=1", "model.dna.tokenizer.k=3"),
    *("model.dna.tokenizer.stride=3", "model.dna.tokenizer.max_length=60"),
]


@pytest.fixture
def barcodes(tmp_path: Path) -> Path:
    """Write a table of barcodes: four species, whose barcodes differ in a few places from that of the genus."""
    draw = np.random.default_rng(0)
    root = tmp_path / "table"
    root.mkdir()
    ancestor = draw.integers(4, size=60)
    rows = []
    for species in range(4):
        own = np.where(draw.random(60) < 0.2, draw.integers(4, size=60), ancestor)
        for split, number in (("train", 12), ("val", 4), ("test", 4)):
            for copy in range(number):
                bases = np.where(draw.random(60) < 0.02, draw.integers(4, size=60), own)
                dna = "".join("ACGT"[base] for base in bases)
                name = {"genus": f"Genus{'ab'[species // 2]}", "species": f"epithet{'abcd'[species]}", "split": split}
                rows.append({"specimen_id": f"{species}-{split}-{copy}", "dna": dna, **name})
    with (root / "specimens.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


def overrides(root: Path, tmp_path: Path, name: str, *more: str) -> list[str]:
    return [
        *("experiment=barcode_pretrain", f"data.root={root}", f"run_dir={tmp_path / name}", "logger=none"),
        *(f"cache_dir={tmp_path / 'cache'}", "data.num_workers=0", "data.batch_size=16", "progress=false"),
        *("duration=24 steps", "validation.every=12 steps", "log_every=4", "benchmark=[]", *SMALL, *more),
    ]


def test_a_run_learns_more_than_the_columns_and_its_trunk_is_taken_over(barcodes: Path, tmp_path: Path) -> None:
    more = ("loss.contrast=0.1", "optim.lr=1e-2")
    metrics = train(plain(compose("train", overrides(barcodes, tmp_path, "run", *more))))
    column = metrics["masked_tokens/test/column/top1"]
    assert 0.5 < column < 0.95
    assert metrics["masked_tokens/test/model/top1"] > column
    gain = metrics["masked_tokens/test/model_minus_column/top1"]
    assert gain == pytest.approx(metrics["masked_tokens/test/model/top1"] - column)
    weights = f"model.dna.weights={tmp_path / 'run'}"
    config = plain(compose("train", overrides(barcodes, tmp_path, "next", weights)))
    model = instantiate(config["model"], "model")
    saved = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name, value in model.tower("dna").trunk.state_dict().items():
        torch.testing.assert_close(value, saved[f"model.towers.dna.trunk.{name}"])
    again = evaluate(plain(compose("evaluate", [
        f"checkpoint={tmp_path / 'run'}", f"run_dir={tmp_path / 'again'}", "benchmark=[]", "splits=[test]",
    ])))  # fmt: skip
    assert again["masked_tokens/test/model/top1"] == metrics["masked_tokens/test/model/top1"]
    assert again["masked_tokens/test/column/top1"] == column


@pytest.mark.parametrize(
    ("more", "told"),
    [(["model.dna.unlocked=0"], "unlocked=0"), (["micro_batch_size=4"], "micro_batch_size")],
)
def test_what_masked_tokens_cannot_train_is_refused(barcodes: Path, tmp_path: Path, more: list[str], told: str) -> None:
    with pytest.raises(ClipbioError, match=told):
        train(plain(compose("train", overrides(barcodes, tmp_path, "run", *more))))


def test_sharded_weights_are_refused() -> None:
    model = towers(dna=ConvDna(tokenizer=BarcodeTokenizer(k=2, max_length=20), layers=1, width=8), dim=8)
    check_alone(model)
    with pytest.raises(ClipbioError, match="trainer=fsdp shards: take trainer=ddp"):
        check_alone(model, sharded=True)


def test_projections_that_the_loss_does_not_reach_are_frozen() -> None:
    recipe = ConvDna(tokenizer=BarcodeTokenizer(k=2, max_length=20), layers=1, width=8, projections=("other",))
    model = towers(dna=recipe, dim=8)
    head = MaskedTokens()
    join_tokens(model, head, torch.ones(20, recipe.tokenizer.vocab_size, dtype=torch.int64))
    projections = model.tower("dna").projections
    trained = {name: all(one.requires_grad for one in part.parameters()) for name, part in projections.items()}
    assert trained == {"default": True, "other": False}


def test_the_norm_of_a_projection_takes_in_features(barcodes: Path, tmp_path: Path) -> None:
    more = (
        "model.dna.projection=linear",
        "model.dim=8",
        "duration=2 steps",
        "validation.splits=[]",
        "evaluate_splits=[]",
    )
    train(plain(compose("train", overrides(barcodes, tmp_path, "run", *more))))
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    name = "model.towers.dna.projections.default.input_norm"
    assert saved[f"{name}.batches"] == 2
    assert saved[f"{name}.mean"].abs().min() > 0


def test_barcodes_are_counted_in_pieces_and_broken_ones_nowhere(
    barcodes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plain(compose("train", overrides(barcodes, tmp_path, "run")))
    data, model = build_data(config, World()), instantiate(config["model"], "model")
    whole = column_counts(model, data)
    assert whole.sum(dim=1).tolist() == [48] * 20
    monkeypatch.setattr("clipbio.tasks.barcodes._AT_ONCE", 7)
    assert torch.equal(column_counts(model, data), whole)
    split = data.split("train")
    index, first = split.index, int(split.rows[0])
    read = index.read

    def protein(row: int, *, image: bool = True) -> Any:
        specimen = read(row, image=image)
        return replace(specimen, dna="MKVLEQ") if row == first else specimen

    monkeypatch.setattr(index, "read", protein)
    assert column_counts(model, data).sum(dim=1).tolist() == [47] * 20


def test_data_without_barcodes_are_told_of(make_table: Callable[..., Path], tmp_path: Path) -> None:
    root = make_table([{"specimen_id": str(n), "image": f"images/{n}.jpg", "genus": "Rosa"} for n in range(8)])
    with pytest.raises(ClipbioError, match="no train specimen has a barcode: is the column called dna"):
        train(plain(compose("train", overrides(root, tmp_path, "run"))))
