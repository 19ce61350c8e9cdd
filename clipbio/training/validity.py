"""Checks of a training config before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.training.durations import Duration

__all__ = ["check_config"]

Config = Mapping[str, Any]


def check_config(config: Config) -> None:
    """Check durations, sizes and paths.

    Raises:
        ClipbioError: Something cannot work; the message names the key.
    """
    for key in ("duration", "validation.every", "checkpoint.every"):
        Duration.parse(_at(config, key), key)
    for key in ("data.batch_size", "data.evaluation_batch_size", "log_every"):
        value = _at(config, key)
        if not isinstance(value, int) or value < 1:
            raise ClipbioError(f"{key}={value} must be a whole number of at least 1")
    if _at(config, "checkpoint.mode") not in ("max", "min"):
        raise ClipbioError(f"checkpoint.mode='{_at(config, 'checkpoint.mode')}' must be max or min")
    _check_root(config)
    _check_weights(_at(config, "model"), "model")
    init = config.get("init")
    if init and not Path(init).exists():
        raise ClipbioError(f"init={init} does not exist")
    if int(config["trainer"].get("accumulate_grad_batches", 1)) > 1:
        raise ClipbioError(
            "trainer.accumulate_grad_batches averages small contrastive losses and adds no negatives: "
            "use a larger data.batch_size instead"
        )


def _check_root(config: Config) -> None:
    roots = {"data.root": _at(config, "data.root")}
    roots |= {f"data.streams.{name}.root": one.get("root") for name, one in (_at(config, "data.streams") or {}).items()}
    for key, root in roots.items():
        if root is not None and not Path(root).exists():
            raise ClipbioError(f"{key}={root} does not exist")


def _check_weights(model: Any, path: str) -> None:
    """Check every `weights` that looks like a path."""
    if not isinstance(model, Mapping):
        return
    for key, value in model.items():
        if (
            key == "weights"
            and isinstance(value, str)
            and "/" in value
            and ":" not in value
            and not Path(value).exists()
        ):
            raise ClipbioError(f"{path}.weights={value} does not exist")
        _check_weights(value, f"{path}.{key}")


def _at(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ClipbioError(f"the config lacks {key}")
        node = node[part]
    return node
