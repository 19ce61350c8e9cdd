"""Image, text and DNA together, through the commands and their parts: specimens lack what they lack."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gardens import write_garden
from runs import SMALL, here, losses

from clipbio.config import compose, plain
from clipbio.data.transforms import Augmentation
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.tasks.building import build_model
from clipbio.tasks.embeddings import measure
from clipbio.tasks.parts import build_data
from clipbio.training.inputs import FeatureCache, connect

PAIRS = ("+loss.pairs.image-dna=1", "+loss.pairs.dna-text=1")
TINY = ("model.dna.width=16", "model.dna.layers=1")


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A garden in which every third specimen has no barcode and every fourth no picture."""
    root = write_garden(tmp_path_factory.mktemp("incomplete") / "garden", species=4, per_species=6)
    with (root / "specimens.csv").open() as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        species = np.random.default_rng(ord(row["genus"][-1])).choice(list("ACGT"), 60)
        row["dna"] = "" if number % 3 == 0 else "".join(species)
        row["image"] = "" if number % 4 == 1 and row["dna"] else row["image"]
    with (root / "specimens.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return root


class Keys:
    """Remember what was embedded."""

    splits: tuple[str, ...] | None = None

    def __init__(self) -> None:
        self.seen: dict[str, SplitData] = {}

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        return ("train",)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        self.seen = dict(data)
        return Result({"queries": float(len(evaluated))})


def test_every_specimen_is_embedded_in_what_it_has(garden: Path, tmp_path: Path) -> None:
    config = plain(compose("train", [
        "model=trimodal_tiny", *TINY, "model.dna.unlocked=0", "data=table", f"data.root={garden}", "data.batch_size=4",
        f"cache_dir={tmp_path}", "data.num_workers=0",
    ]))  # fmt: skip
    found = {}
    for cached in (True, False):
        data, model, keys = build_data(config, World()), build_model(config, load_weights=True), Keys()
        data.read_for(model.modalities)
        data.plan_run(seed=0, steps=lambda plan: 1, world=World())
        encoder = connect(
            model, data, cache=FeatureCache(tmp_path / "features" if cached else None), splits=["test", "train"],
            augmentation=Augmentation(scale=(1.0, 1.0)), world=World(), device=torch.device("cpu"),
        )  # fmt: skip
        batch = next(iter(data.train_dataloader()))["default"]
        assert batch["inputs"]["dna"].is_floating_point() == cached
        validation = measure(
            model, data, splits=["test"], benchmarks={"keys": keys}, encoder=encoder, device=torch.device("cpu")
        )
        assert validation.result.metrics == {"queries": 1.0}
        assert list(keys.seen) == ["test", "train"]
        found[cached] = keys.seen["test"]
    ours, theirs = found[True].specimens, found[False].specimens
    assert ours is not None
    assert theirs is not None
    index = data.split("test").index
    assert ours.ids == theirs.ids == tuple(index.ids)
    for name, digests in (("image", index.image_digests), ("dna", index.dna_digests)):
        assert ours.present[name].tolist() == [bool(digest) for digest in digests]
        torch.testing.assert_close(ours.vectors[name], theirs.vectors[name], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.vectors[name].norm(dim=1), ours.present[name].float())
    assert [bool(one) for one in ours.barcodes] == ours.present["dna"].tolist()
    assert torch.equal(ours.taxon_NR, torch.as_tensor(index.taxon_NR[:]))
    # The images of the split are the rows that have one.
    pictured = [id_ for id_, there in zip(ours.ids, ours.present["image"], strict=True) if there]
    assert list(found[True].images.ids) == pictured


def test_a_run_trains_all_pairs_of_incomplete_specimens(
    garden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [item for item in SMALL if item != "model=tiny"]
    status, _, errors = here(
        capsys, "train", *given, "model=trimodal_tiny", *TINY, *PAIRS, f"data.root={garden}", f"cache_dir={tmp_path}",
        f"run_dir={tmp_path / 'run'}", "duration=3 steps", "validation.every=3 steps", "micro_batch_size=3",
        "data.modality_dropout={dna: 0.2}", "barcode_augmentation.offset=4", "data.val_share=0.4",
    )  # fmt: skip
    assert status == 0, errors
    assert all(np.isfinite(losses(tmp_path / "run")))
    logged = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    keys = {key for line in logged for key in line}
    assert {f"train/loss/{pair}" for pair in ("image-text", "image-dna", "dna-text")} <= keys
    assert {"monitor/effective_rank/dna", "monitor/gap/image-dna"} <= keys
    assert "zero_shot/test/mean/top1" in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_models_without_text_say_so(garden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [item for item in SMALL if item != "model=tiny"]
    status, _, errors = here(
        capsys, "train", *given, "model=barcode", "model/dna=conv", f"data.root={garden}", f"cache_dir={tmp_path}",
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert status == 2
    assert "the model has no image and no text tower (it encodes dna)" in " ".join(errors.split())


def test_a_text_cannot_be_encoded_without_a_tower() -> None:
    from clipbio.training.encoder import TextEncoder

    with pytest.raises(ClipbioError, match="the model has no text tower"):
        TextEncoder(None, None, None, World())(["a rose"])
