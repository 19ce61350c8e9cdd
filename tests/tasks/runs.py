"""Small runs: a garden of coloured pictures, a tiny model, seconds on a CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Small towers of the architecture that ships, and no files but the run's own.
SMALL = (
    "model=tiny",
    "data=table",
    "data.batch_size=8",
    "data.num_workers=0",
    "logger=none",
    "progress=false",
    "log_every=1",
    "benchmark=[zero_shot]",
    "benchmark.zero_shot.bootstrap=20",
    "benchmark.zero_shot.permutations=0",
    "validation.every=5 steps",
    "checkpoint.every=2 steps",
    "callbacks=sample_log",
)


def command(script: str, *overrides: str, processes: int = 1) -> list[str]:
    """Return the command line of a script, under torchrun for several processes."""
    if processes == 1:
        return [sys.executable, str(ROOT / script), *overrides]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return [*start, str(ROOT / script), *overrides]


def run(script: str, *overrides: str, processes: int = 1, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        command(script, *overrides, processes=processes), capture_output=True, text=True, timeout=timeout, cwd=ROOT
    )


def here(capsys: Any, verb: str, *overrides: str) -> tuple[int, str, str]:
    """Run a verb in this process, which saves seconds of imports; return exit status, output and errors."""
    from clipbio.cli import run as run_verb

    capsys.readouterr()
    status = run_verb(verb, overrides)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def samples(folder: Path) -> list[tuple[int, list[str]]]:
    """Return step and ids of each step, over all processes."""
    ranks = [lines(path) for path in sorted((folder / "samples").glob("rank-*.jsonl"))]
    return [(parts[0]["step"], [id_ for part in parts for id_ in part["ids"]]) for parts in zip(*ranks, strict=True)]


def validations(folder: Path) -> list[float]:
    """Return the scores by which checkpoints are chosen, in the order of steps."""
    return [
        line["zero_shot/val/mean/top1"] for line in lines(folder / "metrics.jsonl") if "zero_shot/val/mean/top1" in line
    ]


def losses(folder: Path) -> list[float]:
    """Return the logged losses in the order of steps."""
    return [line["train/loss"] for line in lines(folder / "metrics.jsonl") if "train/loss" in line]
