"""A storm of preemptions: a run is killed again and again, at chosen and at random moments, and started anew."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from faults import PATIENCE, status
from forks import Run
from runs import lines
from wandb_files import offline_folders

# What differs between two runs of the same thing.
_TIMES = ("train/samples_per_second", "train/data_wait")
PHASES = ("starting", "training", "saving", "validating", "evaluating")


@dataclass
class Kill:
    """A kill: during what, by which signal, of which processes; and what came of it."""

    phase: str
    number: int
    ranks: tuple[int, ...]
    delay: float
    step: int = 0
    codes: tuple[int | None, ...] = ()

    @property
    def kind(self) -> str:
        """Name the signal and the number of processes."""
        return f"{signal.Signals(self.number).name} to {len(self.ranks)}"


def plan(phases: Sequence[str], seed: int) -> list[Kill]:
    """Return one kill for each phase, of seeded kinds; those of the final evaluation come last."""
    chance = random.Random(seed)
    order = [phase for phase in phases if phase != "evaluating"]
    chance.shuffle(order)
    order += [phase for phase in phases if phase == "evaluating"]
    numbers = [signal.SIGTERM, signal.SIGKILL] * len(order)
    return [
        Kill(
            phase,
            int(number),
            chance.choice([(0, 1), (0,), (1,)]),
            chance.uniform(0.0, 4.0) if phase == "starting" else chance.uniform(0.0, 0.3) * (phase == "training"),
        )
        for phase, number in zip(order, numbers, strict=False)
    ]


def storm(folder: Path, overrides: Sequence[str], kills: Sequence[Kill]) -> None:
    """Start a run on two processes, kill it as planned, start it again, and let it finish in the end."""
    before = [("tell_phases",), ("slow_steps", 0.1)]
    for number, kill in enumerate(kills):
        given = [*overrides, *(["resume=auto"] if number else [])]
        run = Run(folder, given, processes=2, before=before)
        _wait_for(kill, run)
        time.sleep(kill.delay)
        kill.step = run.steps
        for rank in kill.ranks:
            if run.processes[rank].is_alive():
                os.kill(run.processes[rank].pid, kill.number)
        # What starts runs again ends what is left of one: a process may wait for another that never came.
        kill.codes = tuple(run.codes(30))
    Run(folder, [*overrides, "resume=auto"], processes=2, before=before).finish()


def _wait_for(kill: Kill, run: Run) -> None:
    begun, target = run.steps, None
    deadline = time.monotonic() + PATIENCE
    told = run.folder.parent / f"{run.folder.name}.phase"
    told.unlink(missing_ok=True)
    while kill.phase != "starting":
        phase = told.read_text() if told.exists() else ""
        if kill.phase == "training" and phase == "training":
            target = run.steps + 2 if target is None else target
            if run.steps >= target:
                return
        elif phase == kill.phase:
            return
        assert run.is_alive, f"{kill} missed its moment after step {begun}: {run.told[-3000:]}"
        assert time.monotonic() < deadline, f"{kill}: {run.told[-3000:]}"
        time.sleep(0.002)


def record(folder: Path) -> dict[str, Any]:
    """Return what must not depend on what befell a run: its data, its numbers and its weights."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    weights = {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["averaged"]["weights"].items()}}
    return {
        "steps": checkpoint["global_step"],
        "data": [lines(path) for path in sorted((folder / "samples").glob("rank-*.jsonl"))],
        "metrics": json.loads((folder / "metrics.json").read_text()),
        "log": [without_times(line) for line in lines(folder / "metrics.jsonl")],
        "weights": {name: value.tolist() for name, value in sorted(weights.items())},
        "watched": checkpoint["callbacks"].get("Monitors"),
    }


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a logged line what no two runs share."""
    return {name: value for name, value in line.items() if name not in _TIMES}


def summary(folder: Path, kills: Sequence[Kill], seconds: float) -> dict[str, Any]:
    """Return what a storm was, in one object."""
    return {
        "name": "storm/two_processes",
        "kills": len(kills),
        "by_kind": Counter(kill.kind for kill in kills),
        "by_phase": Counter(kill.phase for kill in kills),
        "codes": [kill.codes for kill in kills],
        "attempts": status(folder)["attempt"],
        "steps": status(folder)["step"],
        "wandb_runs": len(offline_folders(folder)),
        "seconds": round(seconds, 1),
        "at": [asdict(kill)["step"] for kill in kills],
    }
