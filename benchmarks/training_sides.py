"""One run of a trainer as its users start it, and the time of each of its steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from training_data import TrainingData

__all__ = [
    "PEER_PYTHON",
    "Settings",
    "make_peer_environment",
    "our_seconds",
    "our_steps",
    "peer_seconds",
    "peer_steps",
    "step_seconds",
]

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
PEER_PYTHON = PEERS / ".venv" / "bin" / "python"
# Of one version on both sides: what computes and what decodes.
SHARED_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow")
PEER_STEP = re.compile(r"Train Epoch: \d+ .*?Batch \(t\): [\d.]+, ([\d.e+-]+)/s")


@dataclass(frozen=True)
class Settings:
    """What both sides are told."""

    model: str
    text: tuple[str, ...]
    batch_size: int
    workers: int
    steps: int
    device: str = "cpu"
    compiled: bool = False

    @property
    def precision(self) -> str:
        return "bf16" if self.device == "cuda" else "fp32"


def make_peer_environment() -> None:
    """Install open_clip's trainer into an environment of its own, unless it is there."""
    stamp = PEERS / ".venv" / ".installed"
    if stamp.exists():
        return
    pins = [f"{name}=={metadata.version(name).partition('+')[0]}" for name in SHARED_PACKAGES]
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(PEERS / ".venv")], check=True)
    subprocess.run(
        ["uv", "pip", "install", "--quiet", "--python", str(PEER_PYTHON), "-r", str(PEERS / "requirements.txt"), *pins],
        check=True,
    )
    stamp.touch()


def our_steps(settings: Settings, data: TrainingData, folder: Path) -> list[float]:
    """Run `train.py` and return the seconds of each step."""
    overrides = [
        "data=table",
        f"data.root={data.shards}",
        f"data.batch_size={settings.batch_size}",
        f"data.num_workers={settings.workers}",
        *settings.text,
        "model=openclip",
        f"model.name={settings.model}",
        "loss.targets=instance",
        f"trainer={'gpu' if settings.device == 'cuda' else 'cpu'}",
        f"duration={settings.steps} steps",
        "optim.warmup=0 steps",
        "validation.splits=[]",
        "evaluate_splits=[]",
        "checkpoint.every=100 percent",
        "logger=none",
        "progress=false",
        "log_every=1",
        f"cache_dir={folder / 'cache'}",
        f"run_dir={folder / 'run'}",
        *(["compile=true"] if settings.compiled else []),
    ]
    _run([sys.executable, "train.py", *overrides], folder / "ours.log")
    return our_seconds((folder / "run" / "metrics.jsonl").read_text(), settings.batch_size)


def our_seconds(log: str, batch_size: int) -> list[float]:
    """Return the seconds of each step out of `metrics.jsonl`: from the end of the step before to its own end."""
    lines = [json.loads(text) for text in log.splitlines()]
    return [batch_size / found["train/samples_per_second"] for found in lines if "train/samples_per_second" in found]


def peer_steps(settings: Settings, data: TrainingData, folder: Path) -> list[float]:
    """Run `open_clip_train.main` and return the seconds of each step."""
    arguments = {
        "dataset-type": "webdataset",
        "train-data": "::".join(map(str, data.tars)),
        "train-num-samples": settings.steps * settings.batch_size,
        "batch-size": settings.batch_size,
        "workers": settings.workers,
        "model": settings.model,
        "precision": "amp_bf16" if settings.precision == "bf16" else "fp32",
        "device": settings.device,
        "epochs": 1,
        # As conf/optim/adamw.yaml and conf/trainer/cpu.yaml say.
        "lr": 5e-4,
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-6,
        "wd": 0.2,
        "warmup": 0,
        "grad-clip-norm": 1.0,
        "log-every-n-steps": 1,
        "logs": folder,
        "name": "peer",
    }
    command = [str(PEER_PYTHON), "-m", "open_clip_train.main"]
    command += [part for key, value in arguments.items() for part in (f"--{key}", str(value))]
    # Its epoch ends with the tars; drawn with replacement they last for any number of steps.
    command += ["--dataset-resampled", *(["--torchcompile"] if settings.compiled else [])]
    return peer_seconds(_run(command, folder / "peer.log"), settings.batch_size)


def peer_seconds(log: str, batch_size: int) -> list[float]:
    """Return the seconds of each step out of open_clip's log, which measures them in the same way."""
    return [batch_size / float(rate) for rate in PEER_STEP.findall(log)]


def _run(command: list[str], log: Path) -> str:
    """Run a trainer from the root of the checkout, whose package it imports, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"}
    if command[0] == str(PEER_PYTHON):
        environment.pop("PYTHONPATH")
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment, check=False)
    text = log.read_text(encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} ... failed:\n{text[-3000:]}")
    return text


def step_seconds(seconds: list[float], *, warmup: int, workers: int) -> list[float]:
    """Return the steps of the steady state.

    The first ones fill caches and thread pools; the last ones are left out too, because workers that have delivered all
    they must (up to two batches each) no longer compete for the cores.
    """
    kept = seconds[warmup : len(seconds) - 2 * workers]
    if not kept:
        sys.exit(f"{len(seconds)} steps leave none between {warmup} of warm-up and {2 * workers} at the end")
    return kept
