"""What is built to use a model and nothing else: no data, no losses, so that a search server starts soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from clipbio.config import instantiate
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.models import MultiTower

__all__ = ["build_model", "device_of"]

Config = Mapping[str, Any]


def build_model(config: Config, *, load_weights: bool) -> MultiTower:
    """Return the model of a config."""
    model = instantiate(config["model"], "model", load_weights=load_weights)
    if not isinstance(model, MultiTower):
        raise ClipbioError(f"model._target_ builds a {type(model).__name__}, not a clipbio.models.MultiTower")
    return model


def device_of(accelerator: str, world: World) -> torch.device:
    """Return the device of this process."""
    if accelerator in ("gpu", "cuda"):
        if not torch.cuda.is_available():
            raise ClipbioError("trainer.accelerator=gpu, but no GPU is visible: take trainer=cpu")
        return torch.device("cuda", world.local_rank)
    return torch.device("cpu")
