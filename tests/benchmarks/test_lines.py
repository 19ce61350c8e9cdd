"""Each benchmark runs at a tiny size and prints the lines of the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from open_clip.version import __version__ as open_clip_version

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"
PEER_STAMP = FOLDER / "peers" / ".venv" / ".installed"


def lines(script: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a benchmark as a person does and return its lines."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(FOLDER / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(text) for text in done.stdout.splitlines()]


@pytest.fixture
def benchmark_modules(monkeypatch):
    """The benchmarks import each other from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))


def check(found: dict[str, Any], name: str, unit: str, *, less_is_better: bool) -> None:
    assert found["name"] == name
    assert found["unit"] == unit
    assert found["peer_name"].startswith(f"open_clip {open_clip_version}")
    assert found["ours"] > 0
    assert found["peer"] > 0
    better = found["peer"] / found["ours"] if less_is_better else found["ours"] / found["peer"]
    assert found["ratio"] == pytest.approx(better, rel=2e-3)


def test_losses_against_open_clip() -> None:
    memory, seconds = lines("loss.py", "loss/memory/1024", "loss/sigmoid/time/96", "--repetitions=1")
    check(memory, "loss/memory/1024", "MiB", less_is_better=True)
    check(seconds, "loss/sigmoid/time/96", "s", less_is_better=True)
    # The dense form holds at least two logit matrices of 4 MiB and a gradient.
    assert memory["peer"] > 8
    for found in (memory, seconds):
        assert 0 <= found["exact"] < 1e-5


def test_unknown_cases_are_refused() -> None:
    command = [sys.executable, str(FOLDER / "loss.py"), "loss/speed/64"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "unknown case 'loss/speed/64'" in done.stderr


def test_both_trainers_get_the_same_pictures_and_texts(benchmark_modules, tmp_path) -> None:
    from clipbio.data.shards import ShardFolder

    from training_data import regime, write_data

    text = ("text=taxonomic_common",)
    data = write_data(tmp_path, samples=16, image_size=32, text=text, tars=2)
    index, rule = ShardFolder.open(data.shards).index("train"), regime(text)
    ours = [index.read(row) for row in range(len(index.ids))]
    theirs = []
    for path in data.tars:
        with tarfile.open(path) as tar:
            content = {member.name: tar.extractfile(member).read() for member in tar}
        theirs += [(content[name], content[f"{name[:-4]}.txt"].decode()) for name in content if name.endswith(".jpg")]
    assert len(ours) == len(theirs) == len(data.texts) >= 16
    # Another seed: the text must not depend on it.
    drawn = [(specimen.image, rule.draw(specimen, sample_seed=5, batch_seed=5).text) for specimen in ours]
    assert sorted(drawn) == sorted(theirs)


def test_steps_are_read_from_the_logs_of_both(benchmark_modules) -> None:
    from training_sides import our_seconds, peer_seconds, step_seconds

    log = (
        "2026-11-21,10:00:00 | INFO | Start epoch 0\n"
        "2026-11-21,10:00:09 | INFO | Train Epoch: 0 [  8/16 (50%)] Data (t): 1.2 Batch (t): 4.000, 2.00000/s, "
        "2.00000/s/gpu LR: 0.0005 Logit Scale: 14.286 Contrastive_loss: 2.08 (2.08) Loss: 2.08 (2.08)\n"
        "2026-11-21,10:00:11 | INFO | Train Epoch: 0 [16/16 (100%)] Data (t): 0.0 Batch (t): 0.500, 16.0000/s, "
        "16.0000/s/gpu LR: 0.0005 Logit Scale: 14.286 Contrastive_loss: 2.08 (2.08) Loss: 2.08 (2.08)\n"
    )
    assert peer_seconds(log, 8) == [4.0, 0.5]
    assert our_seconds('{"step": 0, "lr-AdamW": 1}\n{"step": 0, "train/samples_per_second": 2.0}\n', 8) == [4.0]
    assert step_seconds([9.0, 9.0, 1.0, 2.0, 9.0, 9.0], warmup=2, workers=1) == [1.0, 2.0]
    with pytest.raises(SystemExit, match="6 steps leave none"):
        step_seconds([1.0] * 6, warmup=4, workers=1)


def test_flops_follow_the_text_columns_that_are_computed(benchmark_modules) -> None:
    from flops import step_flops

    texts = ["a short text"] * 3
    whole, cut = (step_flops("clipbio:clipbio_tiny", texts, 4, trimmed) for trimmed in (False, True))
    per_column = 4 * 3 * 2 * 2 * 12 * 128**2  # rows, passes, multiply and add, layers, weights of a block
    # Attention grows with the square of the length and adds some.
    assert 1.0 < (whole - cut) / ((77 - 5) * per_column) < 1.25
    assert step_flops("clipbio:clipbio_tiny", texts, 8, True) == pytest.approx(2 * cut)


@pytest.mark.slow
def test_training_step_against_open_clip() -> None:
    if not PEER_STAMP.exists():
        pytest.skip("open_clip's trainer is not installed: python benchmarks/train_step.py makes its environment")
    small = ("--batch-size=4", "--steps=2", "--warmup=1", "--runs=1", "--samples=16", "--workers=1", "--image-size=64")
    (found,) = lines("train_step.py", "train_step/cpu", *small)
    check(found, "train_step/cpu", "samples/s", less_is_better=False)
    assert found["batch_size"] == 4
    assert 0 < found["mfu"] < 1.5
    assert len(found["runs"][0]) == len(found["runs"][1]) == 1
