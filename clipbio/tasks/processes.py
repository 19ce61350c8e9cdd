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
    strategy = str(trainer["strategy"])
    if world.size > 1 and strategy == "auto":
        raise ClipbioError(
            f"{world.size} processes were started, but trainer={trainer['accelerator']} runs one: trainer=ddp"
        )
    devices = trainer["devices"]
    several = torch.cuda.device_count() if devices == "auto" else devices
    if world.size == 1 and strategy != "auto" and several != 1:
        raise ClipbioError(
            f"trainer.strategy={strategy} needs one process per device: start them with "
            "'torchrun --nproc_per_node N train.py ...' (or srun)"
        )
    if strategy == "fsdp":
        _check_sharded(config)


def _check_sharded(config: Config) -> None:
    precision = config["trainer"]["precision"]
    if precision not in ("32-true", "bf16-mixed"):
        raise ClipbioError(f"trainer=fsdp cannot train with trainer.precision={precision}: take bf16-mixed or 32-true")
    if config["compile"]:
        raise ClipbioError("compile cannot be combined with trainer=fsdp, which gathers weights inside a trunk: false")
