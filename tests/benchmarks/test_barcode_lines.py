"""The lines of `barcode_protocol.py` on a small tree of barcodes and a tower that was never trained."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.dna import BarcodeTokenizer
from clipbio.models import ConvDna, towers

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
LETTERS = "abcdefghij"


def write_barcodes(folder: Path) -> None:
    generator = np.random.default_rng(0)

    def changed(barcode, rate):
        places = generator.random(len(barcode)) < rate
        return np.where(places, generator.choice(list("ACGT"), size=len(barcode)), barcode)

    root = generator.choice(list("ACGT"), size=200)
    folder.mkdir(parents=True)
    with (folder / "specimens.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["specimen_id", "family", "genus", "species", "dna"])
        for genus in LETTERS:
            ancestor = changed(root, 0.2)
            for species in LETTERS[:4]:
                own = changed(ancestor, 0.05)
                for number in range(8):
                    dna = "".join(changed(own, 0.01))
                    table.writerow([f"{genus}{species}{number}", "Fidae", f"G{genus}us", f"s{species}us", dna])


def write_run(folder: Path) -> None:
    tokenizer = BarcodeTokenizer(k=3, stride=1, max_length=200)
    recipe = ConvDna(tokenizer=tokenizer, layers=1, width=64)
    model = towers(dna=recipe, dim=8, seed=1)
    config = {"_target_": "clipbio.models.ConvDna", "weights": None, **recipe.settings()}
    config["tokenizer"] = {"_target_": "clipbio.dna.BarcodeTokenizer", **tokenizer.settings}
    named = {"_target_": "clipbio.models.towers", "dim": 8, "seed": 0, "image": None, "text": None, "dna": config}
    (folder / "checkpoints").mkdir(parents=True)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    head = {"format": CHECKPOINT_FORMAT, "config": {"model": named}}
    torch.save({"clipbio": head, "state_dict": state}, folder / "checkpoints" / "best.ckpt")


def test_each_case_has_both_accuracies_and_a_paired_interval(tmp_path, monkeypatch, capsys):
    write_barcodes(tmp_path / "data" / "coi-butterflies")
    write_run(tmp_path / "run")
    monkeypatch.syspath_prepend(str(FOLDER))
    import barcode_protocol

    command = ["barcode_protocol.py", f"--shared={tmp_path}", "--shots=3", "--resamples=100", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    barcode_protocol.main()
    found = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    names = {(one["name"], one["peer_name"]) for one in found}
    assert names == {
        *(
            (f"barcode/run/probe/species/{mean}", peer)
            for mean in ("micro", "macro")
            for peer in ("untrained", "kmers")
        ),
        *(
            (f"barcode/run/1nn/{rank}/{mean}", peer)
            for rank in ("genus", "family")
            for mean in ("micro", "macro")
            for peer in ("untrained", "kmers", "alignment")
        ),
    }
    for one in found:
        assert one["difference"] == pytest.approx(one["ours"] - one["peer"], abs=2e-3)
        assert one["low"] <= one["difference"] <= one["high"]
        assert one["unit"] == "accuracy"
    # Weights of another seed are other weights: the run's were really loaded.
    apart = [one for one in found if one["peer_name"] == "untrained"]
    assert any(one["difference"] for one in apart)
    kmers = next(one for one in found if one["name"].endswith("1nn/genus/micro") and one["peer_name"] == "kmers")
    assert kmers["peer"] > 0.9
