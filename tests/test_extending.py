"""What docs/extending.md shows works: its files are laid over a copy of the package, and a run uses all of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SHOWN = ROOT / "tests" / "extending"
SHARES = ("split.shares.train=0.5", "split.shares.val=0.1", "split.shares.test=0.4")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the files of the page in it, and a notebook of five species."""
    place = tmp_path_factory.mktemp("extended")
    for part in ("clipbio", "conf"):
        shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SHOWN, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    write_notebook(place / "notebook")
    return place


def write_notebook(root: Path) -> None:
    root.mkdir()
    finds = []
    for number in range(60):
        species = number % 5
        # Species 2 and 4 are of one genus, and look alike: between them a model must err.
        colour = np.random.default_rng(min(species, 6 - species)).integers(20, 235, 3)
        noise = np.random.default_rng(number).integers(-15, 15, (32, 32, 3))
        Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(root / f"{number}.png")
        name = f"Genus{'ab'[species % 2]} species{'abcde'[species]}"
        finds.append({"number": number, "photo": f"{number}.png", "name": name, "notes": f"Colour {species}."})
    finds.append({"number": 60, "photo": "lost.png", "name": "Genusa speciesa", "notes": ""})
    (root / "notebook.jsonl").write_text("".join(json.dumps(find) + "\n" for find in finds))


def clipbio(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(place)}
    command = [sys.executable, "-m", "clipbio", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=400)


@pytest.mark.timeout(900)
def test_a_source_a_tower_a_loss_and_a_benchmark_are_added_by_the_files_of_the_page(place: Path) -> None:
    told = clipbio(place, "prepare", "source=notebook", "source.root=notebook", "split=hashed", *SHARES, "out=SHARDS")
    assert told.returncode == 0, told.stderr
    assert "lost.png" in told.stdout + told.stderr

    told = clipbio(
        place,
        "train",
        *("data=table", "data.root=SHARDS", "data.batch_size=16", "data.num_workers=0", "cache_dir=cache"),
        *("model=mosaic", "loss=margin", "text=scientific", "benchmark=[zero_shot,same_genus]"),
        *("duration=30 steps", "optim.lr=1e-3", "optim.warmup=2 steps", "logger=none", "progress=false"),
        *("benchmark.zero_shot.text_types=[scientific]", "checkpoint.monitor=zero_shot/val/scientific/top1"),
        *("benchmark.zero_shot.bootstrap=20", "log_every=1", "run_dir=RUN"),
    )
    assert told.returncode == 0, told.stderr
    losses = [json.loads(line).get("train/loss") for line in (place / "RUN/metrics.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert losses[-1] < losses[0] / 2
    metrics = json.loads((place / "RUN/metrics.json").read_text())
    assert metrics["zero_shot/test/scientific/top1"] > 0.5
    genus = "same_genus/test/scientific/share"
    assert metrics[genus] > metrics[f"{genus}/chance"]


def test_each_shown_file_stands_on_the_page() -> None:
    page = (ROOT / "docs/extending.md").read_text()
    shown = {path.relative_to(ROOT).as_posix() for path in SHOWN.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in shown if f'--8<-- "{path}"' not in page} == set()
