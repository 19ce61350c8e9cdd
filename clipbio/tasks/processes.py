"""Do the processes that were started go with the settings of the trainer?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from clipbio.distributed import World
from clipbio.errors import ClipbioError

__all__ = ["check_processes"]

Config = Mapping[str, Any]


def check_processes(config: Config, world: World) -> None:
    """Refuse several processes without a strategy for them, a strategy without processes, and what cannot be sharded.

    Raises:
        ClipbioError: The message names the remedy.
    """
    trainer = config["trainer"]
    strategy, devices = str(trainer["strategy"]), trainer["devices"]
    if world.size > 1:
        _check_group(trainer, world)
    several = torch.cuda.device_count() if devices == "auto" else devices
    if world.size == 1 and several != 1 and (strategy != "auto" or devices != "auto"):
        asked = f"trainer.strategy={strategy}" if strategy != "auto" else f"trainer.devices={devices}"
        raise ClipbioError(
            f"{asked} needs one process per device: start them with 'torchrun --nproc_per_node N train.py "
            "trainer=ddp ...', with srun, or with launcher=slurm hydra.launcher.tasks_per_node=N, "
            "which also takes a sweep (-m)"
        )
    if strategy == "fsdp":
        _check_sharded(config)


def _check_group(trainer: Config, world: World) -> None:
    """Refuse what would hang at the start, or leave devices idle."""
    if str(trainer["strategy"]) == "auto":
        raise ClipbioError(
            f"{world.size} processes were started, but trainer={trainer['accelerator']} runs one: trainer=ddp"
        )
    devices, here = trainer["devices"], world.local_size
    if isinstance(devices, int) and devices not in (1, here):
        raise ClipbioError(
            f"trainer.devices={devices}, but {here} processes were started on each machine: make --ntasks-per-node "
            "(torchrun: --nproc_per_node) the same, or leave trainer.devices away"
        )
    gpus = torch.cuda.device_count() if trainer["accelerator"] in ("gpu", "cuda") else here
    if 0 < gpus < here:
        raise ClipbioError(
            f"{here} processes on this machine see {gpus} GPUs: ask for as many tasks as GPUs, and with Slurm for "
            f"--gpus-per-node={here} rather than --gpus-per-task, which shows each task its own alone"
        )


def _check_sharded(config: Config) -> None:
    precision = config["trainer"]["precision"]
    if precision not in ("32-true", "bf16-mixed"):
        raise ClipbioError(f"trainer=fsdp cannot train with trainer.precision={precision}: take bf16-mixed or 32-true")
    if config["compile"]:
        raise ClipbioError("compile cannot be combined with trainer=fsdp, which gathers weights inside a trunk: false")
