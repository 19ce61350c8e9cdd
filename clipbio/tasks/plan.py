"""The plan of a run: what it will do, how fast and in how much memory, told before the first step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from clipbio.config import instantiate
from clipbio.data.datamodule import SpecimenData
from clipbio.data.streams import by_projection
from clipbio.distributed import World
from clipbio.losses import Head
from clipbio.losses.head import ContrastiveHead
from clipbio.models import MultiTower
from clipbio.models.trunks import Trunk
from clipbio.tasks.plan_warnings import plan_warnings
from clipbio.tasks.trainer import steps_of, validation_interval
from clipbio.training.costs import trunk_cost
from clipbio.training.durations import RunLength
from clipbio.training.estimates import EncodedTower, Estimate, estimate_memory, estimate_step
from clipbio.training.last_checkpoint import wall_seconds
from clipbio.training.optimizer import AdamWRecipe
from clipbio.training.rates import UTILISATION, device_memory, device_rate

__all__ = ["RunPlan", "TowerPlan", "encoded_once", "make_plan"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


@dataclass(frozen=True)
class TowerPlan:
    """What becomes of a tower: `state` is trained, projection trained, frozen or not read."""

    parameters: int
    trained: int
    state: str
    cached: bool
    lr: float | None


@dataclass(frozen=True)
class RunPlan:
    """What a run will do.

    Args:
        processes: All of them.
        nodes: Machines.
        device: `cpu` or the name of the GPU.
        strategy: How processes work together.
        precision: Of the arithmetic.
        batch_size: Specimens of an optimiser step, over all processes.
        per_process: Specimens of a forward pass on one process.
        micro_batch_size: Specimens that a tower encodes at once.
        accumulated: Batches whose gradients are averaged in a step.
        streams: Rows of each stream in a global batch.
        species: Species of each stream.
        negatives: Specimens that one is compared with and is not, by projection.
        specimens: Train specimens of the first stream, whose epochs are those of the run.
        epochs: Times that they are seen.
        steps_per_epoch: Optimiser steps of an epoch.
        steps: Optimiser steps of the run.
        warmup_steps: Steps in which the learning rate rises.
        schedule: What it does then.
        validation_steps: Steps between validations; None without any.
        checkpoint_every: When `last.ckpt` is written: steps, or a time such as `30 minutes`.
        scale_lr: How rates follow the batch.
        lr: Highest learning rate of parts without one of their own.
        towers: What becomes of each tower.
        head_parameters: Trained weights of the losses.
        memory: Bytes per process, estimated.
        memory_total: Bytes that the device has.
        seconds_per_step: Seconds of computing a step, estimated; None on a device that is not known.
        seconds_encoding: Seconds of encoding all specimens with the frozen trunks whose output is cached, before the
            first step, estimated; None where there is no such trunk, or on a device that is not known.
    """

    processes: int
    nodes: int
    device: str
    strategy: str
    precision: str
    batch_size: int
    per_process: int
    micro_batch_size: int
    accumulated: int
    streams: dict[str, int]
    species: dict[str, int]
    negatives: dict[str, int]
    specimens: int
    epochs: float
    steps_per_epoch: float
    steps: int
    warmup_steps: int
    schedule: str
    validation_steps: int | None
    checkpoint_every: int | str
    scale_lr: str
    lr: float
    towers: dict[str, TowerPlan]
    head_parameters: int
    memory: Estimate
    memory_total: int
    seconds_per_step: Estimate | None
    seconds_encoding: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for `plan.json`."""
        return asdict(self)

    def show(self, console: Console) -> None:
        """Print it."""
        table = Table(title="plan", title_justify="left", show_header=False)
        for name, text in self.rows().items():
            table.add_row(name, text)
        console.print(table)

    def rows(self) -> dict[str, str]:
        """Return what a person reads, line by line."""
        share = self.warmup_steps / self.steps
        rows = {
            "processes": f"{self.processes} on {_count(self.nodes, 'node')}, {self.device}, "
            f"strategy {self.strategy}, {self.precision}",
            "batch": self._batch(),
            "streams": ", ".join(
                f"{name} {rows:,} ({rows // self.processes:,} per process)" for name, rows in self.streams.items()
            ),
            "negatives": ", ".join(
                f"{number:,} per specimen" + (f" in projection {name}" if len(self.negatives) > 1 else "")
                for name, number in self.negatives.items()
            )
            + "".join(
                f"; its rows of {name} have at most {self.species[name]:,} species"
                for name, rows in self.streams.items()
                if rows > self.species[name]
            ),
            "length": f"{_count(self.steps, 'step')} = {self.epochs:.3g} epochs of {self.steps_per_epoch:,.6g} steps "
            f"({self.specimens:,} specimens)",
            "schedule": f"{_count(self.warmup_steps, 'step')} of warm-up ({share:.0%}), then {self.schedule}",
            "validation": "none" if self.validation_steps is None else f"every {_count(self.validation_steps, 'step')}",
            "checkpoint": f"every {_every(self.checkpoint_every)}",
            "learning rate": f"{self.lr:.3g}" + ("" if self.scale_lr == "none" else f" (scaled: {self.scale_lr})"),
            **{f"{name} tower": _tower(tower) for name, tower in self.towers.items()},
            "memory": f"{_bytes(self.memory.low)} to {_bytes(self.memory.high)} per process, "
            f"estimated; there are {_bytes(self.memory_total)}",
            "encoding": self._encoding(),
            "time": self._time(),
        }
        if len(self.streams) == 1:
            del rows["streams"]
        return {name: text for name, text in rows.items() if text}

    def _batch(self) -> str:
        text = f"{self.batch_size:,} specimens"
        if self.processes > 1 or self.accumulated > 1:
            factors = [self.accumulated] * (self.accumulated > 1) + [self.processes] * (self.processes > 1)
            text += f" = {' x '.join(f'{one:,}' for one in (*factors, self.per_process))}"
            names = ["batches averaged"] * (self.accumulated > 1) + ["processes"] * (self.processes > 1)
            text += f" ({' x '.join([*names, 'specimens'])})"
        if self.micro_batch_size < self.per_process:
            text += f", encoded {self.micro_batch_size:,} at a time"
        return text

    def _encoding(self) -> str:
        if self.seconds_encoding is None:
            return ""
        low, high = _seconds(self.seconds_encoding.low), _seconds(self.seconds_encoding.high)
        return f"{low} to {high} before the first step, estimated; nothing where the cache has the features"

    def _time(self) -> str:
        if self.seconds_per_step is None:
            return "not estimated: this device is not known; measured in the first steps"
        low, high = self.seconds_per_step.low, self.seconds_per_step.high
        if not high:
            return "no trunk runs in a step: measured in the first steps"
        return (
            f"{_seconds(low)} to {_seconds(high)} per step, {_seconds(low * self.steps)} to "
            f"{_seconds(high * self.steps)} in all for computing alone, estimated"
        )


def make_plan(
    config: Config,
    data: SpecimenData,
    model: MultiTower,
    heads: nn.ModuleDict,
    recipe: AdamWRecipe,
    length: RunLength,
    *,
    world: World,
    device: torch.device,
    validates: bool,
) -> RunPlan:
    """Return the plan of a run and warn of what is odd in it.

    Args:
        config: Config of the run.
        data: Its data, whose run is planned.
        model: Towers.
        heads: Losses by projection.
        recipe: Optimiser and schedule.
        length: Batch arithmetic.
        world: This process.
        device: Where it computes.
        validates: Whether validations take place.

    Raises:
        ClipbioError: The warm-up is longer than the run.
    """
    assert length.total_steps is not None
    settings = config["trainer"]
    accumulated = data.batches_per_step
    per_process = data.batch_size // world.size
    micro = min(int(config["micro_batch_size"] or per_process), per_process)
    towers = {name: _tower_plan(name, config, data, model, heads, recipe, length) for name in model.modalities}
    encoded = [
        EncodedTower(trunk_cost(trunk), per_process, micro, towers[name].state == "trained")
        for name in model.modalities
        if not towers[name].cached and towers[name].state != "not read"
        if isinstance(trunk := model.tower(name).trunk, Trunk)
    ]
    memory = estimate_memory(
        [model, heads],
        encoded,
        precision=str(settings["precision"]),
        processes=world.size,
        strategy=str(settings["strategy"]),
        device=device.type,
    )
    rate = device_rate(device, str(settings["precision"]))
    step = None if rate is None else estimate_step(encoded * accumulated, rate, UTILISATION[device.type])
    cached = encoded_once(model, towers, data, world)
    encoding = None if rate is None or not cached else estimate_step(cached, rate, UTILISATION[device.type])
    rows = {name: one.plan.batch_size for name, one in data.planned.items()}
    plan = RunPlan(
        processes=world.size,
        nodes=max(1, world.size // world.local_size),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        strategy=str(settings["strategy"]),
        precision=str(settings["precision"]),
        batch_size=length.batch_size,
        per_process=per_process,
        micro_batch_size=micro,
        accumulated=accumulated,
        streams=rows,
        species=_species(data),
        negatives={
            projection: sum(rows[name] for name in names) - 1
            for projection, names in by_projection(data.streams).items()
            if isinstance(heads[projection], ContrastiveHead)
        },
        specimens=len(next(iter(data.planned.values())).rows),
        epochs=length.total_steps / length.batches_per_epoch,
        steps_per_epoch=length.batches_per_epoch,
        steps=length.total_steps,
        warmup_steps=recipe.warmup_steps(length),
        schedule=recipe.schedule,
        validation_steps=validation_interval(config, length) if validates else None,
        checkpoint_every=_checkpoint_every(str(config["checkpoint"]["every"]), length),
        scale_lr=recipe.scale_lr,
        lr=recipe.rate(None, length),
        towers=towers,
        head_parameters=sum(one.numel() for one in heads.parameters() if one.requires_grad),
        memory=memory,
        memory_total=device_memory(device),
        seconds_per_step=step,
        seconds_encoding=encoding,
    )
    shares_memory = world.local_size if device.type == "cpu" else 1
    targets = config["loss"].get("targets")
    workers = data.num_workers(None) * world.local_size
    for warning in plan_warnings(plan, targets=targets, workers=workers, sharing=shares_memory):
        if world.is_main:
            log.warning(warning)
    return plan


def _tower_plan(
    name: str,
    config: Config,
    data: SpecimenData,
    model: MultiTower,
    heads: nn.ModuleDict,
    recipe: AdamWRecipe,
    length: RunLength,
) -> TowerPlan:
    tower = model.tower(name)
    read = {modality for head in heads.values() if isinstance(head, Head) for modality in head.modalities}
    parameters = list(tower.parameters())
    trained = sum(one.numel() for one in parameters if one.requires_grad) if name in read else 0
    state = "trained" if not tower.frozen else ("projection trained" if trained else "frozen")
    return TowerPlan(
        parameters=sum(one.numel() for one in parameters),
        trained=trained,
        state=state if name in read else "not read",
        cached=tower.frozen and config["cache_features"] not in ("off", False) and not _drawn_anew(name, config, data),
        lr=recipe.rate(tower.lr, length) if trained else None,
    )


def encoded_once(
    model: MultiTower, towers: Mapping[str, TowerPlan], data: SpecimenData, world: World
) -> list[EncodedTower]:
    """Return what frozen trunks encode before the first step: every specimen; texts are few beside them."""
    specimens = sum(len(split) for split in data.splits.values())
    further_views = max(0, data.views - 1) * sum(map(len, data.train_parts))
    rows = {"image": -(-(specimens + further_views) // world.size), "dna": -(-specimens // world.size)}
    return [
        EncodedTower(trunk_cost(trunk), rows[name], rows[name], trained=False)
        for name in model.modalities
        if name in rows and towers[name].cached and towers[name].state != "not read"
        if isinstance(trunk := model.tower(name).trunk, Trunk)
    ]


def _drawn_anew(name: str, config: Config, data: SpecimenData) -> bool:
    """Tell whether random augmentation makes a frozen trunk run at each step."""
    if name == "text" or (name == "image" and data.views):
        return False
    key = "augmentation" if name == "image" else "barcode_augmentation"
    return bool(instantiate(config[key], key).random)


def _species(data: SpecimenData) -> dict[str, int]:
    """Return how many species each stream has; specimens without one count as one each."""
    found = {}
    for name, one in data.planned.items():
        keys = one.split.index.taxon_NR[one.rows, -1]
        found[name] = len(np.unique(keys[keys >= 0])) + int((keys < 0).sum())
    return found


def _tower(tower: TowerPlan) -> str:
    text = f"{tower.trained:,} of {tower.parameters:,} parameters trained" if tower.trained else tower.state
    rate = f", rate {tower.lr:.3g}" if tower.lr is not None else ""
    return text + (", features cached" if tower.cached else "") + rate


def _checkpoint_every(text: str, length: RunLength) -> int | str:
    return steps_of("checkpoint.every", text, length) if wall_seconds(text) is None else text


def _every(interval: int | str) -> str:
    return interval if isinstance(interval, str) else _count(interval, "step")


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'s' if number != 1 else ''}"


def _bytes(number: float) -> str:
    return f"{number / 2**30:.2g} GiB" if number < 100 * 2**30 else f"{number / 2**30:.0f} GiB"


def _seconds(number: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.2g} s"
