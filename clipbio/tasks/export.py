"""`python -m clipbio export`: the weights of a run as one file for use and fine-tuning, adapters merged into them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.models.lora import merge_adapters
from clipbio.tasks.parts import build_model
from clipbio.training.checkpoints import AtomicCheckpoints, checkpoint_path, chosen_weights, load_into, read_checkpoint

__all__ = ["export_weights"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


def export_weights(config: Config) -> None:
    """Write a checkpoint that holds weights alone, without adapters, optimiser or averages.

    Args:
        config: Plain resolved config of `conf/export.yaml`.
    """
    path = checkpoint_path(config["checkpoint"])
    out = Path(config["out"]).expanduser()
    if out.exists() and not config["overwrite"]:
        raise ClipbioError(f"out={out} exists: give another file, or overwrite=true")
    checkpoint = read_checkpoint(path)
    weights = str(config["weights"])
    trained = checkpoint["clipbio"]["config"]
    state = {k: v for k, v in chosen_weights(checkpoint, weights, path).items() if not k.startswith("model.")}
    model = build_model(trained, load_weights=False)
    load_into(checkpoint, {"model": model}, path, weights=weights)
    merge_adapters(model)
    state |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    exported = {
        "clipbio": {**checkpoint["clipbio"], "config": {**trained, "model": _without_adapters(trained["model"])}},
        "state_dict": {name: tensor.contiguous().clone() for name, tensor in state.items()},
        "global_step": checkpoint["global_step"],
    }
    AtomicCheckpoints().save_checkpoint(exported, out)
    log.info("%s written: %s parameters", out, f"{sum(p.numel() for p in model.parameters()):,}")


def _without_adapters(config: Any) -> Any:
    """Return a model's config with every `lora` set to null."""
    if not isinstance(config, Mapping):
        return config
    return {key: None if key == "lora" else _without_adapters(value) for key, value in config.items()}
